// Draws the Mermaid diagrams of a page. `scripts/docs` puts mermaid.min.js next to the pages; without it the diagrams stay text.
(() => {
  const sources = document.querySelectorAll('code.language-mermaid')
  if (sources.length === 0) return
  const script = document.createElement('script')
  script.src = `${path_to_root}mermaid.min.js`
  script.onload = () => {
    for (const source of sources) {
      const drawing = document.createElement('pre')
      drawing.className = 'mermaid'
      drawing.textContent = source.textContent
      source.parentElement.replaceWith(drawing)
    }
    const isDark = ['navy', 'coal', 'ayu'].some((theme) => document.documentElement.classList.contains(theme))
    window.mermaid.initialize({ startOnLoad: false, theme: isDark ? 'dark' : 'default', securityLevel: 'strict' })
    window.mermaid.run()
  }
  document.head.append(script)
})()
