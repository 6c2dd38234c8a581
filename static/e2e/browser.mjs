// The browser of these tests: pages that report what no page may do, and the judgement of axe-core.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

export const SCREENSHOTS = fileURLToPath(new URL('../../target/screenshots/', import.meta.url))
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const EXECUTABLE = process.env.HOROLOG_BROWSER ?? BROWSERS.find(existsSync)
/** A node that was killed on purpose refuses connections; a page may be cut off on purpose. */
const ON_PURPOSE = /ERR_CONNECTION|ERR_INTERNET_DISCONNECTED|WebSocket/

export const launch = () => chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] })

/** A page of its own, with its own cookies; errors, broken policies and requests to other hosts go into `offences`. */
export async function openPage(browser, offences, looks, expected = ON_PURPOSE) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...looks, bypassCSP: false })
  const opened = await context.newPage()
  opened.setDefaultTimeout(30_000)
  opened.on('pageerror', (error) => offences.push(`error: ${error.message}`))
  opened.on('console', (message) => {
    if (message.type() === 'error' && !expected.test(message.text())) offences.push(message.text())
  })
  opened.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') offences.push(`asked ${request.url()}`)
  })
  return opened
}

/** What axe-core finds on a page and calls serious or critical. */
export async function seriousFaults(looked) {
  await looked.evaluate(AXE)
  const { violations } = await looked.evaluate(() => globalThis.axe.run())
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join('; ')}`)
}
