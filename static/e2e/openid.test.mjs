// The sign-in at a provider of OpenID Connect, as a person sees it: there and back, and what is said when it fails.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { launch, openPage, SCREENSHOTS, seriousFaults } from './browser.mjs'
import { startCluster } from './cluster.mjs'
import { settingsFor, startProvider } from './provider.mjs'

const REFUSED = /ERR_CONNECTION|WebSocket|status of (401|403|429)/
const EVE = { sub: 'eve-1', preferred_username: 'eve', name: 'Eve', groups: ['ops'] }

let provider
let cluster
let browser
const offences = []

/** The node must know its address before it listens. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

before(async () => {
  provider = await startProvider(EVE)
  const address = `127.0.0.1:${await freePort()}`
  cluster = await startCluster(1, ['--listen', address, ...settingsFor(provider, `http://${address}`)])
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await cluster?.stop()
  provider?.stop()
})

async function signInPage(path) {
  const page = await openPage(browser, offences, { colorScheme: 'light' }, REFUSED)
  await page.goto(cluster.url + path)
  await page.getByRole('link', { name: 'Sign in with Example' }).waitFor()
  return page
}

test('a person signs in at the provider, and is on the page that the address named', async () => {
  const page = await signInPage('/jobs?search=pay')
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    assert.deepEqual(await seriousFaults(page), [], colorScheme)
    await page.screenshot({ path: join(SCREENSHOTS, `sign-in-openid-${colorScheme}.png`) })
  }
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.getByRole('button', { name: /^Account: .*operator$/ }).waitFor()
  const { pathname, search } = new URL(page.url())
  assert.equal(pathname + search, '/jobs?search=pay')
  await page.getByRole('button', { name: /^Account: / }).click()
  await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click()
  await page.getByRole('link', { name: 'Sign in with Example' }).waitFor()
  await page.context().close()
})

test('a refusal of the provider, and a person without a role, are said in words', async () => {
  const page = await signInPage('/jobs')
  provider.refuses = true
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.getByRole('alert').getByText('The provider refused the sign-in.').waitFor()
  assert.equal(new URL(page.url()).hash, '')
  provider.refuses = false
  provider.person = { ...EVE, sub: 'mallory-1', preferred_username: 'mallory', groups: [] }
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.getByText('The provider knows you, but you have no role here.', { exact: false }).waitFor()
  assert.deepEqual(await seriousFaults(page), [])
  provider.person = EVE
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.getByRole('button', { name: /^Account: .*operator$/ }).waitFor()
  assert.equal(new URL(page.url()).pathname, '/jobs')
  await page.context().close()
})

test('no page did what no page may do', () => assert.deepEqual(offences, []))
