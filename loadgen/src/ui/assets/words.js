// Words of the page in English and Spanish.
const EN = {
  skip: "Skip to the content", pages: "Pages", loadTest: "Load test", sweeps: "Sweeps", host: "Host", status: "Status", users: "Users", rps: "RPS", failures: "Failures",
  language: "Language", theme: "Dark or light", lost: "loadgen does not answer. Is it still running?", edit: "Edit", stop: "Stop", reset: "Reset", newTest: "New test",
  usersPeak: "Number of users (peak concurrency)", spawnRate: "Ramp up (users started/second)", update: "Update", cancel: "Cancel", startTest: "Start new load test",
  advanced: "Advanced options", runTime: "Run time (e.g. 20, 20s, 3m, 2h; empty: until stopped)", waitTime: "Wait time between requests", shape: "Steps or shape (instead of users)",
  arrivals: "Arrivals (open model, instead of users)", objective: "Objective", scenario: "Scenario file", noScenario: "none: one request", request: "Request", method: "Method", path: "Path",
  contentType: "Content type", body: "Body (empty: the model's example)", example: "Fill in the model's example", headers: "Headers, one a line", start: "Start", views: "Views of the test",
  statistics: "Statistics", charts: "Charts", generator: "Generator", ratio: "Current ratio", download: "Download data", logs: "Logs", addresses: "Addresses", times: "Response times",
  service: "service time", intended: "from the due time", percentiles: "Percentiles", overlay: "Overlay", nothing: "nothing", none: "none", type: "Type", name: "Name", requests: "# Requests",
  fails: "# Fails", median: "Median (ms)", p95: "95%ile (ms)", p99: "99%ile (ms)", average: "Average (ms)", min: "Min (ms)", max: "Max (ms)", size: "Average size (bytes)",
  currentRps: "Current RPS", currentFails: "Current Failures/s", address: "Address", occurrences: "# Failures", message: "Message", firstSeen: "First seen", lastSeen: "Last seen",
  rpsChart: "Requests per second", timesChart: "Response times (ms)", usersChart: "Number of users", cpuChart: "CPU of the replicas (processors)", memoryChart: "Memory of the replicas (MiB)", lagChart: "Lateness of the generator (p99, ms)",
  generatorChart: "Processors of the generator (%)", failuresPerSecond: "Failures/s", busiest: "busiest load thread", runDelay: "waiting for a processor", steal: "CPU steal", lag: "lag",
  task: "Task", share: "Share of the requests", limitedNot: "The generator keeps up: figures are the server's.", limitedYes: "The generator is the limit: its load threads use {cpu} of a processor. Give it more processors (--pin) or fewer users.",
  limitedLate: "The generator is late: 1% of the requests began more than {lag} ms after they could. Close other programs, or give it another processor (--pin).",
  statsFile: "Statistics (CSV, as in Locust)", historyFile: "Statistics of each second (CSV, as in Locust)", failuresFile: "Failures (CSV, as in Locust)", exceptionsFile: "Exceptions (CSV, as in Locust)",
  jsonFile: "All figures (JSON, for loadgen compare)", hlogFile: "Latencies of each second (HdrHistogram log)", reportFile: "Report (HTML, one file for an e-mail or a ticket)", openReport: "open",
  met: "Objective met", missed: "Objective missed", undecided: "Undecided", invalid: "Invalid", logAxis: "Logarithmic axis", zoomOut: "zoom out", savePng: "Save as PNG",
  ready: "ready", spawning: "spawning", running: "running", stopping: "stopping", stopped: "stopped", noTest: "No test yet.", containerLimit: "limit: {value}", throttled: "share of periods throttled", limit: "objective: {ms} ms", at: "at",
};
const ES = {
  skip: "Ir al contenido", pages: "Páginas", loadTest: "Prueba de carga", sweeps: "Barridos", host: "Host", status: "Estado", users: "Usuarios", rps: "RPS", failures: "Fallos",
  language: "Idioma", theme: "Oscuro o claro", lost: "loadgen no responde. ¿Sigue en marcha?", edit: "Editar", stop: "Detener", reset: "Reiniciar", newTest: "Nueva prueba",
  usersPeak: "Número de usuarios (máximo simultáneo)", spawnRate: "Ritmo de arranque (usuarios/segundo)", update: "Actualizar", cancel: "Cancelar", startTest: "Iniciar una prueba de carga",
  advanced: "Opciones avanzadas", runTime: "Duración (20, 20s, 3m, 2h; vacío: hasta detenerla)", waitTime: "Espera entre peticiones", shape: "Escalones o forma (en vez de usuarios)",
  arrivals: "Llegadas (modelo abierto, en vez de usuarios)", objective: "Objetivo", scenario: "Archivo de escenario", noScenario: "ninguno: una petición", request: "Petición", method: "Método", path: "Ruta",
  contentType: "Tipo de contenido", body: "Cuerpo (vacío: el ejemplo del modelo)", example: "Poner el ejemplo del modelo", headers: "Cabeceras, una por línea", start: "Iniciar", views: "Vistas de la prueba",
  statistics: "Estadísticas", charts: "Gráficos", generator: "Generador", ratio: "Proporción actual", download: "Descargar datos", logs: "Registro", addresses: "Direcciones", times: "Tiempos de respuesta",
  service: "tiempo de servicio", intended: "desde el momento previsto", percentiles: "Percentiles", overlay: "Superponer", nothing: "nada", none: "ninguno", type: "Tipo", name: "Nombre", requests: "Peticiones",
  fails: "Fallos", median: "Mediana (ms)", p95: "Percentil 95 (ms)", p99: "Percentil 99 (ms)", average: "Media (ms)", min: "Mín. (ms)", max: "Máx. (ms)", size: "Tamaño medio (bytes)",
  currentRps: "RPS actual", currentFails: "Fallos/s actual", address: "Dirección", occurrences: "Fallos", message: "Mensaje", firstSeen: "Primera vez", lastSeen: "Última vez",
  rpsChart: "Peticiones por segundo", timesChart: "Tiempos de respuesta (ms)", usersChart: "Número de usuarios", cpuChart: "CPU de las réplicas (procesadores)", memoryChart: "Memoria de las réplicas (MiB)", lagChart: "Retraso del generador (p99, ms)",
  generatorChart: "Procesadores del generador (%)", failuresPerSecond: "Fallos/s", busiest: "hilo más ocupado", runDelay: "a la espera de procesador", steal: "CPU robada", lag: "retraso",
  task: "Tarea", share: "Parte de las peticiones", limitedNot: "El generador cumple: las cifras son del servidor.", limitedYes: "El generador es el límite: sus hilos usan {cpu} de un procesador. Dele más procesadores (--pin) o menos usuarios.",
  limitedLate: "El generador se retrasa: el 1% de las peticiones empezó más de {lag} ms tarde. Cierre otros programas o dele otro procesador (--pin).",
  statsFile: "Estadísticas (CSV, como en Locust)", historyFile: "Estadísticas de cada segundo (CSV, como en Locust)", failuresFile: "Fallos (CSV, como en Locust)", exceptionsFile: "Excepciones (CSV, como en Locust)",
  jsonFile: "Todas las cifras (JSON, para loadgen compare)", hlogFile: "Latencias de cada segundo (registro HdrHistogram)", reportFile: "Informe (HTML, un archivo para un correo o un tique)", openReport: "abrir",
  met: "Objetivo cumplido", missed: "Objetivo no cumplido", undecided: "Sin decidir", invalid: "No válida", logAxis: "Eje logarítmico", zoomOut: "ver todo", savePng: "Guardar como PNG",
  ready: "lista", spawning: "arrancando", running: "en marcha", stopping: "deteniéndose", stopped: "detenida", noTest: "Aún no hay pruebas.", containerLimit: "límite: {value}", throttled: "parte de periodos frenados", limit: "objetivo: {ms} ms", at: "a las",
};
const WORDS = { en: EN, es: ES };

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("es") ? "es" : "en");

export const locale = () => language;

export function t(key, values = {}) {
  const text = WORDS[language][key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function setLanguage(to) {
  language = WORDS[to] ? to : "en";
  localStorage.setItem("language", language);
  translate();
}

export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
}

export function add(en, es) {
  Object.assign(EN, en);
  Object.assign(ES, es);
}
