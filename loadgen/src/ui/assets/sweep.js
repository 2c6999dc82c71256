// The sweep page.
export function open() {}
export function close() {}
export function redraw() {}
