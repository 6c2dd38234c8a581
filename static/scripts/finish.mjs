// After `vite build`: fails when a page loads more than the budget, then writes each text file's brotli and gzip beside it, so
// that no node compresses anything while it serves.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const FIRST_LOAD_MAX = 180_000 // bytes of gzip: what index.html loads before anything can be seen
const CHUNK_MAX = 150_000 // any other chunk
const APART = /^graphiql/ // a page of its own, which nobody loads by the way

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist')
const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'))
const gzipped = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length

// What `/` needs to show its page: the entry, the overview and its charts, and what these import.
const roots = ['index.html', 'src/pages/overview/index.tsx', 'src/components/chart/plot.tsx']
const first = new Set()
const visit = (key) => {
  const chunk = manifest[key]
  if (!chunk || first.has(chunk.file)) return
  first.add(chunk.file)
  chunk.imports?.forEach(visit)
}
roots.forEach(visit)

const chunks = Object.values(manifest).filter((chunk) => chunk.file.endsWith('.js'))
const firstLoad = [...first].reduce((sum, file) => sum + gzipped(file), 0)
const others = chunks.filter((chunk) => !first.has(chunk.file) && !APART.test(chunk.name ?? ''))
const large = others.map((chunk) => [chunk.file, gzipped(chunk.file)]).filter(([, size]) => size > CHUNK_MAX)

const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`
const largest = others.reduce((most, chunk) => Math.max(most, gzipped(chunk.file)), 0)
console.log(`first load of /: ${kB(firstLoad)} gzip of ${kB(FIRST_LOAD_MAX)}; largest other chunk: ${kB(largest)}`)
if (firstLoad > FIRST_LOAD_MAX) fail(`the first load of / is over ${kB(FIRST_LOAD_MAX)}`)
for (const [file, size] of large) fail(`${file} is ${kB(size)}, over ${kB(CHUNK_MAX)}`)

rmSync(join(dist, '.vite'), { recursive: true }) // nobody is served the manifest
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name)
  if (!statSync(path).isFile() || !['.html', '.js', '.css', '.svg', '.json'].includes(extname(name))) continue
  // A page has addresses of its own below it. A node with a base path puts that before them.
  if (extname(name) === '.html') writeFileSync(path, readFileSync(path, 'utf8').replaceAll('="./', '="/'))
  const text = readFileSync(path)
  writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }))
  writeFileSync(`${path}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
}

function fail(message) {
  console.error(`over budget: ${message}`)
  process.exitCode = 1
}
