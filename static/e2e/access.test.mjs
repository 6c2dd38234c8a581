// A closed cluster as its users see it: a real browser, a real node, real PostgreSQL. The first admin is created by the command
// line while the node runs; everything after that happens in the dashboard.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { launch, openPage, SCREENSHOTS, seriousFaults } from './browser.mjs'
import { eventually, graphql, startCluster } from './cluster.mjs'

const ADA = { name: 'ada', password: 'correct horse battery' }
const VIC = { name: 'vic', password: 'staple of a viewer' }
/** A browser reports refused requests as errors of the page: here they are what is tested. */
const REFUSED = /ERR_CONNECTION|WebSocket|status of (401|403|429)/

let cluster
let browser
let job
const offences = []
const newPage = (looks = {}) => openPage(browser, offences, { colorScheme: 'light', ...looks }, REFUSED)

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  cluster = await startCluster(1)
  browser = await launch()
  // The cluster is open so far.
  const create = `mutation { createJob(input: {
    name: "payroll", scheduleType: FIXED_RATE, intervalSeconds: 3600, initialDelaySeconds: 3600
  }) { id } }`
  job = (await graphql(cluster.url, create)).createJob.id
  await cluster.command(['user', 'create', ADA.name, '--admin', '--password-stdin'], `${ADA.password}\n`)
  await cluster.command(['user', 'create', VIC.name, '--role', 'viewer', '--password-stdin'], `${VIC.password}\n`)
  await eventually('the node has closed', async () => (await ask('{ me { name } }')).status === 401)
})

after(async () => {
  await browser?.close()
  await cluster?.stop()
})

const ask = (query, headers = {}) =>
  fetch(`${cluster.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  })

const signInPage = (page) => page.getByRole('dialog', { name: 'Sign in to Horolog' })

/** Opens an address, and signs in there. */
async function enter(page, { name, password }, path) {
  await page.goto(cluster.url + path)
  await signInPage(page).getByLabel('Name').fill(name)
  await signInPage(page).getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
}

/** A page on which a user is signed in. */
async function pageOf(user, path) {
  const page = await newPage()
  await enter(page, user, path)
  await signInPage(page).waitFor({ state: 'detached' })
  return page
}

/** Takes a picture in both themes, and lets axe-core judge each; on a telephone nothing scrolls sideways. */
async function picture(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    assert.deepEqual(await seriousFaults(page), [], `${name}, ${colorScheme}`)
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}.png`) })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  const desk = page.viewportSize()
  await page.setViewportSize({ width: 360, height: 740 })
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth > document.documentElement.clientWidth)
  assert.equal(wide, false, `${name} scrolls sideways`)
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-narrow.png`) })
  await page.setViewportSize(desk)
}

test('an unknown caller gets the sign-in page, and after it the page that the address names', async () => {
  const page = await newPage()
  await page.goto(`${cluster.url}/jobs?search=pay`)
  await signInPage(page).waitFor()
  assert.equal(await signInPage(page).getByLabel('Name').getAttribute('autocomplete'), 'username')
  const password = signInPage(page).getByLabel('Password', { exact: true })
  assert.equal(await password.getAttribute('autocomplete'), 'current-password')
  await picture(page, 'sign-in')
  await enter(page, ADA, '/jobs?search=pay')
  await page.getByRole('link', { name: 'payroll' }).waitFor()
  assert.equal(new URL(page.url()).search, '?search=pay')
  const [cookie] = await page.context().cookies()
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/'])
  await page.context().close()
})

test('a wrong password and an unknown user are told the same', async () => {
  const page = await newPage()
  const said = []
  for (const name of [ADA.name, 'no such user']) {
    await enter(page, { name: name.replaceAll(' ', '-'), password: 'not the password' }, '/')
    said.push(await signInPage(page).getByRole('alert').innerText())
  }
  assert.equal(said[0], 'The name or the password is wrong, or the user is disabled.')
  assert.equal(said[1], said[0])
  await page.context().close()
})

test('a viewer sees jobs, and no command', async () => {
  const page = await pageOf(VIC, `/jobs/${job}`)
  await page.getByRole('heading', { level: 1, name: 'payroll' }).waitFor()
  await page.getByRole('button', { name: 'Account: vic, viewer' }).waitFor()
  const main = page.getByRole('main')
  for (const name of ['Run now', 'Pause', 'Backfill…', 'Blackout…']) {
    assert.equal(await main.getByRole('button', { name }).count(), 0, name)
  }
  assert.equal(await main.getByRole('link', { name: 'Edit' }).count(), 0)
  for (const name of ['Users', 'API tokens', 'Audit log']) {
    assert.equal(await page.getByRole('link', { name, exact: true }).count(), 0, name)
  }
  await page.goto(`${cluster.url}/users`)
  await page.getByRole('heading', { level: 1, name: 'This needs the role admin' }).waitFor()
  await page.context().close()
})

test('a token is created, shown once, works, and is revoked', async () => {
  const page = await pageOf(ADA, '/tokens')
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByLabel('Name', { exact: true }).fill('ci')
  await page.getByLabel('Role').selectOption('Operator')
  await page.getByRole('button', { name: 'Create token' }).click()
  const secret = (await page.getByRole('region', { name: 'Token', exact: true }).innerText()).trim()
  assert.match(secret, /^hrl_\w+$/)
  await page.getByRole('button', { name: 'I have copied it' }).click()
  await page.getByRole('rowheader', { name: 'ci' }).waitFor()
  await page.reload()
  await page.getByRole('rowheader', { name: 'ci' }).waitFor()
  assert.equal((await page.content()).includes(secret), false)
  await picture(page, 'api-tokens')

  const authorization = `Bearer ${secret}`
  const { data } = await (await ask('{ me { name kind role } }', { authorization })).json()
  assert.deepEqual(data.me, { name: 'ci', kind: 'TOKEN', role: 'OPERATOR' })
  await page.getByRole('button', { name: 'Revoke the token ci' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click()
  await page.getByText('Revoked', { exact: true }).waitFor()
  await eventually('the token is dead', async () => (await ask('{ me { name } }', { authorization })).status === 401)
  await page.context().close()
})

test('a user is created with a generated password, and signs in with it', async () => {
  const page = await pageOf(ADA, '/users')
  await page.getByRole('button', { name: 'New user' }).click()
  await page.getByLabel('Name', { exact: true }).fill('eve')
  await page.getByLabel('Role').selectOption('Operator')
  await page.getByRole('button', { name: 'Create user' }).click()
  const password = (await page.getByRole('region', { name: 'Password', exact: true }).innerText()).trim()
  await page.getByRole('button', { name: 'I have copied it' }).click()
  await page.getByRole('rowheader', { name: 'eve' }).waitFor()
  await picture(page, 'users')
  const other = await pageOf({ name: 'eve', password }, '/')
  await other.getByRole('button', { name: 'Account: eve, operator' }).waitFor()

  // A disabled user is out at once.
  await page.getByRole('button', { name: 'More for eve' }).click()
  await page.getByRole('menuitem', { name: 'Disable…' }).click()
  await page.getByRole('button', { name: 'Disable user' }).click()
  await signInPage(other).waitFor()
  await other.context().close()
  await page.context().close()
})

test('a command is in the audit log, on the page of its job, and in the export', async () => {
  const page = await pageOf(ADA, `/jobs/${job}`)
  await page.getByRole('main').getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByLabel('Reason').fill('the printer is on fire')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Pause job' }).waitFor()
  await page.getByRole('link', { name: 'Audit log', exact: true }).click()
  const row = page.getByRole('row').filter({ hasText: 'Pause job' }).filter({ hasText: 'payroll' })
  await row.filter({ hasText: ADA.name }).first().waitFor()
  await picture(page, 'audit-log')
  await row.getByRole('button', { name: 'Pause job' }).first().click()
  await page.getByRole('dialog', { name: 'Pause job' }).getByText('127.0.0.1').waitFor()
  await page.keyboard.press('Escape')
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export' }).click(),
  ])
  const lines = readFileSync(await file.path(), 'utf8')
    .trimEnd()
    .split('\n')
  assert.ok(
    lines.map((line) => JSON.parse(line)).some((entry) => entry.action === 'pauseJob' && entry.caller === 'ada'),
  )
  await page.context().close()
})

test('a session that ends leaves the page as it was; the live connection comes back', async () => {
  const page = await pageOf(ADA, '/jobs/new')
  await page.getByLabel('Description').fill('typed for an hour')
  await page.context().clearCookies()
  await page.getByLabel('Name', { exact: true }).fill('never lost')
  await signInPage(page).waitFor()
  const sockets = []
  page.on('websocket', (socket) => sockets.push(socket))
  await signInPage(page).getByLabel('Password', { exact: true }).fill(ADA.password)
  await page.keyboard.press('Enter')
  await signInPage(page).waitFor({ state: 'detached' })
  assert.equal(await page.getByLabel('Description').inputValue(), 'typed for an hour')
  await eventually('a socket is open', async () => sockets.some((socket) => !socket.isClosed()))
  await page.context().close()
})

test('a changed password ends the other sessions, and is the one that signs in', async () => {
  const next = 'another long password'
  const page = await pageOf(VIC, '/jobs')
  const other = await pageOf(VIC, '/jobs')
  await page.getByRole('button', { name: 'Account: vic, viewer' }).click()
  await page.getByRole('menuitem', { name: 'Change password…' }).click()
  await page.getByLabel('Current password').fill('not the current one')
  await page.getByLabel('New password').fill(next)
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('is not the password of the caller').waitFor()
  await page.getByLabel('Current password').fill(VIC.password)
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('The password is changed.').waitFor()
  await signInPage(other).waitFor()
  await signInPage(other).getByLabel('Password', { exact: true }).fill(next)
  await other.keyboard.press('Enter')
  await signInPage(other).waitFor({ state: 'detached' })
  assert.equal(await signInPage(page).count(), 0)
  await other.context().close()
  await page.context().close()
})

test('a sign-out ends the session on the node, in this tab and in the others', async () => {
  const page = await pageOf(ADA, '/jobs')
  const tab = await page.context().newPage()
  await tab.goto(`${cluster.url}/users`)
  await tab.getByRole('rowheader', { name: 'vic' }).waitFor()
  const [{ name, value }] = await page.context().cookies()
  const cookie = `${name}=${value}`
  assert.equal((await ask('{ me { name } }', { cookie })).status, 200)
  await page.getByRole('button', { name: 'Account: ada, admin' }).click()
  await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click()
  await signInPage(page).waitFor()
  assert.equal(await page.getByRole('navigation').count(), 0)
  assert.equal((await page.context().cookies()).length, 0)
  await eventually('the session is dead', async () => (await ask('{ me { name } }', { cookie })).status === 401)
  await signInPage(tab).waitFor()
  await page.context().close()
})

test('the one-time link in the log of a node beyond loopback creates the first admin, once', async () => {
  const beyond = await startCluster(1, ['--listen', '0.0.0.0:0', '--set-up-link'])
  try {
    const home = `http://127.0.0.1:${new URL(beyond.url).port}`
    const token = await eventually(
      'the link is in the log',
      async () => /\/set-up#(\w+)/.exec(beyond.nodes[0].log())?.[1],
    )
    const page = await newPage()
    await page.goto(`${home}/jobs`)
    await signInPage(page).waitFor()
    await page.goto(`${home}/set-up#${token}`)
    await page.getByRole('heading', { name: 'Create the first admin' }).waitFor()
    await picture(page, 'set-up')
    await page.getByLabel('Name').fill(ADA.name)
    await page.getByLabel('Password', { exact: true }).fill(ADA.password)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Account: ada, admin' }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/')

    const second = await newPage()
    await second.goto(`${home}/set-up#${token}`)
    await second.getByLabel('Name').fill('mallory')
    await second.getByLabel('Password', { exact: true }).fill(ADA.password)
    await second.keyboard.press('Enter')
    await second.getByText(/This link does not work any more/).waitFor()
    await second.context().close()
    await page.context().close()
  } finally {
    await beyond.stop()
  }
})

test('the first admin of an open cluster is created in the dashboard, which stays signed in', async () => {
  const open = await startCluster(1)
  try {
    const page = await newPage()
    await page.goto(`${open.url}/jobs`)
    await page.getByRole('button', { name: 'No authentication' }).click()
    await page.getByRole('menuitem', { name: 'Create the first admin…' }).click()
    await page.getByRole('button', { name: 'Create the first admin' }).click()
    await page.getByLabel('Name', { exact: true }).fill(ADA.name)
    await page.getByRole('button', { name: 'Create user' }).click()
    await page.getByRole('region', { name: 'Password', exact: true }).waitFor()
    await eventually('the node has closed', async () => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${open.url}/graphql`, {
        method: 'POST',
        headers,
        body: '{"query":"{ me { name } }"}',
      })
      return answer.status === 401
    })
    await page.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('button', { name: 'Account: ada, admin' }).waitFor()
    await page.getByRole('link', { name: 'Jobs', exact: true }).click()
    await page.getByText('There are no jobs yet').waitFor()
    assert.equal(await signInPage(page).count(), 0)
    await page.context().close()
  } finally {
    await open.stop()
  }
})

test('no page did what no page may do', () => assert.deepEqual(offences, []))
