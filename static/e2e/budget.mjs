// How soon the dashboard can be used beside many jobs, and how smoothly they scroll: `make measure-dashboard`. It measures, and
// judges nothing: a loaded machine is no defect.

import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { eventually, graphql, startCluster } from './cluster.mjs'
import { count, takenIn } from './network.mjs'

const JOBS = Number(process.env.HOROLOG_JOBS ?? 100_000)
const AT_ONCE = 1_000 // what `createJobs` takes
const LOADS = 7
/** Jobs on the timeline; the newest of them, as many as a scroll passes, have as many runs as a row shows. */
const TIMELINE_JOBS = 10_000
const TIMELINE_BUSY = 1_000
const TIMELINE_RUNS = 25
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const EXECUTABLE = process.env.HOROLOG_BROWSER ?? BROWSERS.find(existsSync)
const CREATE = 'mutation ($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }'

const AT_REST = { scheduleType: 'CRON', cronExpression: '0 0 3 1 1 ? 2098' }

const cluster = await startCluster(1)
const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] })
try {
  await createManyJobs()
  await measureLoads('/', (page) => page.getByText(/^Job 0\d+/).first())
  await measureLoads('/jobs', (page) => page.getByRole('row').filter({ hasText: 'Job 0' }).first())
  await measureScroll('/jobs', 'Job 0')
  await createTimeline()
  for (const view of ['24h', '1h', 'runs']) await measureScroll(`/timeline?tag=timeline&view=${view}`, 'Timeline 0')
  await measureBytes()
} finally {
  await browser.close()
  await cluster.stop()
}

/** Creates `length` jobs as `inputOf` has them; answers the ids of the last thousand. */
async function createJobs(length, inputOf) {
  let last = []
  for (let first = 0; first < length; first += AT_ONCE) {
    const inputs = Array.from({ length: Math.min(AT_ONCE, length - first) }, (_, place) => inputOf(first + place))
    last = (await graphql(cluster.url, CREATE, { inputs })).createJobs
  }
  return last.map(({ id }) => id)
}

async function createManyJobs() {
  const begun = performance.now()
  await createJobs(JOBS, (number) => ({ name: `Job 0${number}`, ...AT_REST, tags: [`team-${number % 50}`] }))
  console.log(`${JOBS} jobs created in ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
}

/** Jobs that have run, and rest. */
async function createTimeline() {
  const rest = TIMELINE_JOBS - TIMELINE_BUSY
  const name = (number) => `Timeline 0${number}`
  await createJobs(rest, (number) => ({ name: name(number), ...AT_REST, tags: ['timeline'] }))
  const busy = { scheduleType: 'FIXED_RATE', intervalSeconds: 2, tags: ['timeline', 'timeline-busy'] }
  const ids = await createJobs(TIMELINE_BUSY, (number) => ({ name: name(rest + number), ...busy }))
  const runs = `query ($id: ID!) { job(id: $id) { recentExecutions(count: ${TIMELINE_RUNS}) { id } } }`
  const done = async (id) => (await graphql(cluster.url, runs, { id })).job.recentExecutions.length === TIMELINE_RUNS
  for (;;) if (await eventually('they run', () => done(ids[0])).catch(() => false)) break
  await graphql(cluster.url, 'mutation { pauseJobs(filter: {tags: ["timeline-busy"]}) { changed } }')
}

/** From the request to the first sight of what the page is for; each time with an empty cache. */
async function measureLoads(path, sight) {
  const times = []
  for (let load = 0; load < LOADS; load += 1) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    const page = await context.newPage()
    const begun = performance.now()
    await page.goto(cluster.url + path)
    await sight(page).waitFor()
    times.push(performance.now() - begun)
    await context.close()
  }
  print(`first load of ${path}, until it can be used`, times)
}

/** The wheel, turned for three seconds: how long each frame took. */
async function measureScroll(path, name) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  await page.goto(cluster.url + path)
  const row = page.getByRole('row').filter({ hasText: name }).first()
  await row.waitFor()
  await page.evaluate(() => {
    window.frameTimes = []
    let last = performance.now()
    const frame = (now) => {
      window.frameTimes.push(now - last)
      last = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
  await row.hover()
  const until = performance.now() + 3_000
  while (performance.now() < until) await page.mouse.wheel(0, 400)
  print(`frames of three seconds of scrolling ${path}`, await page.evaluate(() => window.frameTimes.slice(1)))
}

/** What a tab takes while 61 jobs run each five seconds, and nobody touches it. */
async function measureBytes() {
  const inputs = Array.from({ length: 61 }, (_, place) => ({
    name: `busy ${place}`,
    tags: ['busy'],
    scheduleType: 'FIXED_RATE',
    intervalSeconds: 5,
  }))
  const { createJobs } = await graphql(cluster.url, CREATE, { inputs })
  const paths = ['/', '/jobs?tag=busy', `/jobs/${createJobs[0].id}`, '/executions', '/nodes', '/timeline?tag=busy']
  const took = paths.map(async (path) => {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
    const taken = await count(page)
    await page.goto(cluster.url + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await takenIn(5_000, taken)
    const { bytes, requests } = await takenIn(20_000, taken)
    await page.close()
    return `${path}, 20 s beside 61 busy jobs: ${(bytes / 1_000).toFixed(1)} kB, ${JSON.stringify(requests)}`
  })
  for (const said of await Promise.all(took)) console.log(said)
}

function print(what, times) {
  const sorted = [...times].sort((one, other) => one - other)
  const at = (share) => `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0)} ms`
  console.log(`${what}: median ${at(0.5)}, 95 % ${at(0.95)}, longest ${at(1)} (${sorted.length})`)
}
