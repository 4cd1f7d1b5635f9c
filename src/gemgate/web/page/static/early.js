// Runs before anything is painted: the language and theme that were chosen here before.
(() => {
  const kept = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const root = document.documentElement;
  const chinese = (navigator.languages?.[0] ?? navigator.language ?? "en").toLowerCase().startsWith("zh");
  root.lang = kept("gemgate.language") ?? (chinese ? "zh-CN" : "en");
  const theme = kept("gemgate.theme");
  if (theme) root.dataset.theme = theme;
})();
