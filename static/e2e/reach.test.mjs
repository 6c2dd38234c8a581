// Namespaces and secrets on a closed cluster: who sees which jobs and commands, and what no page shows again.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { launch, openPage, SCREENSHOTS, seriousFaults } from './browser.mjs'
import { eventually, graphql, startCluster } from './cluster.mjs'

const ADA = { name: 'ada', password: 'correct horse battery' }
/** An editor of team-a who reads nothing else. */
const EVE = { name: 'eve', password: 'staple of an editor' }
const VALUE = 'a value that no page shows'
const REFUSED = /ERR_CONNECTION|WebSocket|status of (401|403|429)/
const AT_REST = { scheduleType: 'FIXED_RATE', intervalSeconds: 3600, initialDelaySeconds: 3600 }

let cluster
let browser
const jobs = {}
const offences = []

before(async () => {
  const keys = join(tmpdir(), `horolog-e2e-keys-${process.pid}`)
  writeFileSync(keys, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
  cluster = await startCluster(1, ['--secrets-key-file', keys])
  browser = await launch()
  const open = (query, variables) => graphql(cluster.url, query, variables)
  await open('mutation { createNamespace(input: {name: "team-a", description: "Of the team A"}) { name } }')
  const create = 'mutation($input: CreateJobInput!) { createJob(input: $input) { id } }'
  for (const namespace of ['default', 'team-a']) {
    const input = { name: `job of ${namespace}`, namespace, ...AT_REST }
    jobs[namespace] = (await open(create, { input })).createJob.id
  }
  await cluster.command(['user', 'create', ADA.name, '--admin', '--password-stdin'], `${ADA.password}\n`)
  await eventually(
    'the node has closed',
    async () => (await fetch(`${cluster.url}/graphql`, { method: 'POST' })).status === 401,
  )
})

after(async () => {
  await browser?.close()
  await cluster?.stop()
})

/** A page on which a user is signed in. */
async function pageOf({ name, password }, path) {
  const page = await openPage(browser, offences, { colorScheme: 'light' }, REFUSED)
  await page.goto(cluster.url + path)
  const signIn = page.getByRole('dialog', { name: 'Sign in to Horolog' })
  await signIn.getByLabel('Name').fill(name)
  await signIn.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
  await signIn.waitFor({ state: 'detached' })
  return page
}

/** Takes a picture in both themes, and lets axe-core judge each. */
async function picture(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    assert.deepEqual(await seriousFaults(page), [], `${name}, ${colorScheme}`)
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}.png`) })
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

test('an admin creates a namespace, and a user with a role in one', async () => {
  const page = await pageOf(ADA, '/namespaces')
  await page.getByRole('button', { name: 'New namespace' }).click()
  await page.getByLabel('Name', { exact: true }).fill('team-b')
  await page.getByLabel('Most jobs', { exact: true }).fill('5')
  await picture(page, 'new-namespace')
  await page.keyboard.press('Enter')
  await page.getByRole('rowheader', { name: 'team-b' }).waitFor()
  await picture(page, 'namespaces')
  await page.getByRole('button', { name: 'Delete the namespace team-b' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete namespace' }).click()
  await page.getByRole('rowheader', { name: 'team-b' }).waitFor({ state: 'detached' })

  await page.goto(`${cluster.url}/users`)
  await page.getByRole('button', { name: 'New user' }).click()
  await page.getByLabel('Name', { exact: true }).fill(EVE.name)
  await page.getByLabel('Role in the whole cluster').selectOption('None')
  await page.getByRole('button', { name: 'Add a namespace' }).click()
  await page.getByLabel('Namespace 1').selectOption('team-a')
  await page.getByLabel('Role in team-a', { exact: true }).selectOption('Editor')
  await page.getByLabel('Password', { exact: true }).selectOption('Type one')
  await page.getByLabel('New password').fill(EVE.password)
  await picture(page, 'new-user')
  await page.getByRole('button', { name: 'Create user' }).click()
  await page.getByRole('row', { name: /eve.*Editor in team-a/ }).waitFor()
  await page.context().close()
})

test('an editor of a namespace sees its jobs and commands, and nothing of the others', async () => {
  const page = await pageOf(EVE, '/jobs')
  await page.getByRole('link', { name: 'job of team-a' }).waitFor()
  assert.equal(await page.getByText('job of default').count(), 0)
  await page.getByRole('button', { name: 'Account: eve, editor in team-a' }).waitFor()
  await page.goto(`${cluster.url}/jobs/${jobs['team-a']}`)
  await page.getByRole('link', { name: 'Edit' }).waitFor()
  await page.goto(`${cluster.url}/jobs/${jobs.default}`)
  await page.getByText('There is no such job').waitFor()
  await page.goto(`${cluster.url}/jobs/new`)
  await page.getByRole('heading', { level: 1, name: 'New job' }).waitFor()
  for (const name of ['Users', 'API tokens', 'Namespaces', 'Audit log']) {
    assert.equal(await page.getByRole('link', { name, exact: true }).count(), 0, name)
  }
  await page.context().close()
})

test('an admin filters jobs by their namespace', async () => {
  const page = await pageOf(ADA, '/jobs')
  await page.getByRole('link', { name: 'job of default' }).waitFor()
  await page.getByRole('button', { name: 'Namespace' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'team-a' }).click()
  await page.keyboard.press('Escape')
  await page.getByText('job of default').waitFor({ state: 'detached' })
  await page.getByRole('link', { name: 'job of team-a' }).waitFor()
  assert.equal(new URL(page.url()).search, '?namespace=team-a')
  await picture(page, 'jobs-of-a-namespace')
  await page.context().close()
})

test('a secret is created, offered in the form of a job, and never shown', async () => {
  const page = await pageOf(ADA, '/secrets')
  const seen = []
  page.on('response', async (response) => seen.push(await response.text().catch(() => '')))
  await page.getByRole('button', { name: 'New secret' }).click()
  await page.getByLabel('Name', { exact: true }).fill('crm-token')
  await page.getByLabel('New value', { exact: true }).fill(VALUE)
  await page.getByLabel('Hosts', { exact: true }).fill(new URL(cluster.sinkUrl).host)
  await picture(page, 'new-secret')
  await page.getByRole('button', { name: 'Create secret' }).click()
  await page.getByRole('rowheader', { name: 'crm-token' }).waitFor()
  await picture(page, 'secrets')
  await page.getByRole('button', { name: 'New secret' }).click()
  await page.getByLabel('Name', { exact: true }).fill('crm-signature')
  await page.getByLabel('Value', { exact: true }).selectOption('Generate one that signs requests, and show it once')
  await page.getByLabel('Hosts', { exact: true }).fill(new URL(cluster.sinkUrl).host)
  await page.getByRole('button', { name: 'Create secret' }).click()
  assert.match(await page.getByRole('region', { name: 'Signing secret' }).innerText(), /whsec_/)
  await page.getByRole('button', { name: 'I have copied it' }).click()

  await page.goto(`${cluster.url}/jobs/new`)
  await page.getByLabel('Name', { exact: true }).fill('calls the sink')
  await page.getByLabel('Namespace', { exact: true }).selectOption('default')
  await page.getByLabel('URL').fill(cluster.sinkUrl)
  await page.getByRole('button', { name: 'Insert a secret into the headers' }).click()
  await page.getByRole('menuitem', { name: 'crm-token' }).click()
  await page.getByLabel('Sign requests with').selectOption('crm-signature')
  await picture(page, 'new-job-with-secrets')
  await page.getByRole('button', { name: 'Create job' }).click()
  await page.getByRole('heading', { level: 1, name: 'calls the sink' }).waitFor()
  await page.getByText(`Bearer \${secret:crm-token}`).first().waitFor()
  await page.getByRole('main').getByRole('button', { name: 'Run now' }).click()
  await page.locator('[data-status=SUCCESS]').first().waitFor()
  await page.goto(`${cluster.url}/secrets`)
  await page.getByRole('button', { name: 'More for crm-token' }).click()
  await page.getByRole('menuitem', { name: 'Delete (jobs refer to it)', disabled: true }).waitFor()
  assert.equal(
    seen.some((text) => text.includes(VALUE)),
    false,
  )
  await page.context().close()
})

test('no page did what no page may do', () => assert.deepEqual(offences, []))
