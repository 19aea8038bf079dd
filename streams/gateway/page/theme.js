// A script of the head, not a module: the colours are chosen before the first paint, so that a dark page never flashes.
try {
  document.documentElement.dataset.theme = localStorage.getItem("loveloop.theme") ?? "system";
} catch {
  document.documentElement.dataset.theme = "system"; // storage may be forbidden; the choice then ends with the page
}
