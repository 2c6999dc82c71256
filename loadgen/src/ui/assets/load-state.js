// The test that the page shows. `load.js` writes it; form and charts read it.
export const state = {
  // The last update from loadgen.
  report: { state: "ready", stats: [], errors: [], addresses: [], tests: [] },
  // The number of the test, 0 for none.
  test: 0,
  // Its figures of each second, and the index of the first that loadgen still keeps.
  points: [],
  firstPoint: null,
  // Its lines, and the number of the first one.
  log: [],
  firstLine: 0,
  // An earlier test that is shown instead, as loadgen described it.
  viewed: null,
  // True if the form is open though there is a test.
  isFormOpen: false,
};
