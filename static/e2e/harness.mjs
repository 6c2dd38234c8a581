// One cluster of three real nodes and one browser, for all files of these tests; and how a person uses the dashboard.

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { graphql, startCluster } from './cluster.mjs'

export const SCREENSHOTS = fileURLToPath(new URL('../../target/screenshots/', import.meta.url))
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const EXECUTABLE = process.env.HOROLOG_BROWSER ?? BROWSERS.find(existsSync)

export let cluster
export let browser
export let page
/** What no page may do: errors, broken policies, requests to other hosts. */
export const offences = []

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  cluster = await startCluster(3)
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] })
  page = await newPage('light')
})

after(async () => {
  await browser?.close()
  await cluster?.stop()
})

export async function newPage(colorScheme, viewport = { width: 1440, height: 900 }, looks = {}) {
  const context = await browser.newContext({ colorScheme, viewport, ...looks, bypassCSP: false })
  const opened = await context.newPage()
  opened.setDefaultTimeout(30_000)
  opened.on('pageerror', (error) => offences.push(`error: ${error.message}`))
  opened.on('console', (message) => {
    // A node that was killed on purpose refuses connections; a page may be cut off on purpose.
    if (message.type() === 'error' && !/ERR_CONNECTION|ERR_INTERNET_DISCONNECTED|WebSocket/.test(message.text()))
      offences.push(message.text())
  })
  opened.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') offences.push(`asked ${request.url()}`)
  })
  return opened
}

export const go = (path) => page.goto(cluster.url + path)
export const row = (name) => page.getByRole('row').filter({ hasText: name })
export const more = (name) => row(name).getByRole('button', { name: /^More for/ })
export const choose = async (name, command) => {
  await more(name).click()
  await page.getByRole('menuitem', { name: command }).click()
}

/** Creates a job; answers its id. */
export async function input(values) {
  const create = 'mutation($input: CreateJobInput!) { createJob(input: $input) { id } }'
  const { createJob } = await graphql(cluster.url, create, { input: values })
  return createJob.id
}

/** What axe-core finds on a page and calls serious or critical. */
export async function seriousFaults(looked) {
  await looked.evaluate(AXE)
  const { violations } = await looked.evaluate(() => globalThis.axe.run())
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join('; ')}`)
}
