// How soon the dashboard can be used beside many jobs, and how smoothly they scroll: `make measure-dashboard`. It measures, and
// judges nothing: a loaded machine is no defect.

import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { graphql, startCluster } from './cluster.mjs'
import { count, takenIn } from './network.mjs'

const JOBS = Number(process.env.HOROLOG_JOBS ?? 100_000)
const AT_ONCE = 1_000 // what `createJobs` takes
const LOADS = 7
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const EXECUTABLE = process.env.HOROLOG_BROWSER ?? BROWSERS.find(existsSync)
const CREATE = 'mutation ($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }'

const cluster = await startCluster(1)
const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] })
try {
  await createJobs()
  await measureLoads('/', (page) => page.getByText(/^Job 0\d+/).first())
  await measureLoads('/jobs', (page) => page.getByRole('row').filter({ hasText: 'Job 0' }).first())
  await measureScroll('/jobs')
  await measureScroll('/timeline')
  await measureBytes()
} finally {
  await browser.close()
  await cluster.stop()
}

async function createJobs() {
  const begun = performance.now()
  for (let first = 0; first < JOBS; first += AT_ONCE) {
    const inputs = Array.from({ length: Math.min(AT_ONCE, JOBS - first) }, (_, place) => ({
      name: `Job 0${first + place}`,
      scheduleType: 'CRON',
      cronExpression: '0 0 3 1 1 ? 2098',
      tags: [`team-${place % 50}`],
    }))
    await graphql(cluster.url, CREATE, { inputs })
  }
  console.log(`${JOBS} jobs created in ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
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
async function measureScroll(path) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  await page.goto(cluster.url + path)
  const row = page.getByRole('row').filter({ hasText: 'Job 0' }).first()
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
  for (const path of ['/', '/jobs?tag=busy', `/jobs/${createJobs[0].id}`, '/executions', '/nodes']) {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
    const taken = await count(page)
    await page.goto(cluster.url + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await takenIn(5_000, taken)
    const { bytes, requests } = await takenIn(20_000, taken)
    console.log(`${path}, 20 s beside 61 busy jobs: ${(bytes / 1_000).toFixed(1)} kB, ${JSON.stringify(requests)}`)
    await page.close()
  }
}

function print(what, times) {
  const sorted = [...times].sort((one, other) => one - other)
  const at = (share) => `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0)} ms`
  console.log(`${what}: median ${at(0.5)}, 99 % ${at(0.99)}, longest ${at(1)} (${sorted.length})`)
}
