import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// Where `npm run dev` finds a node.
const node = process.env.HOROLOG_URL ?? 'http://127.0.0.1:8081'

/** GraphiQL brings its fonts as data: URLs, which the content security policy refuses; it looks well without. */
const withoutDataFonts = {
  name: 'without-data-fonts',
  enforce: 'pre' as const,
  transform: (code: string, id: string) =>
    id.includes('graphiql') && id.endsWith('.css') ? code.replace(/@font-face\s*\{[^}]*\}/g, '') : undefined,
}

export default defineConfig({
  // Scripts and styles find each other wherever they are served; scripts/finish.mjs says where they are to the pages.
  base: './',
  plugins: [withoutDataFonts, react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'], // light-dark() in CSS
    manifest: true, // scripts/finish.mjs reads it
    rolldownOptions: { input: ['index.html', 'graphiql.html'] },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // data: is not 'self'
  },
  server: {
    proxy: {
      '/graphql': { target: node, ws: true },
      '/healthz': node,
    },
  },
  test: {
    include: ['src/**/*.test.{ts,tsx}'], // e2e/ is for node and a browser
    environment: 'happy-dom',
    setupFiles: 'src/testing/setup.ts',
    restoreMocks: true,
    testTimeout: 60_000, // a loaded machine is no defect
  },
})
