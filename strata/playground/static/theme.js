"use strict";
// Runs before the first paint: the theme that was chosen earlier, else the system's.
try {
  const chosen = localStorage.getItem("strata.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off: the system's theme holds.
}
