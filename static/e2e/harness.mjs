// One cluster of three real nodes and one browser, for all files of these tests; and how a person uses the dashboard.

import { mkdirSync } from 'node:fs'
import { after, before } from 'node:test'
import { launch, openPage, SCREENSHOTS } from './browser.mjs'
import { graphql, startCluster } from './cluster.mjs'

export { SCREENSHOTS, seriousFaults } from './browser.mjs'

export let cluster
export let browser
export let page
/** What no page may do: errors, broken policies, requests to other hosts. */
export const offences = []

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  cluster = await startCluster(3)
  browser = await launch()
  page = await newPage('light')
})

after(async () => {
  await browser?.close()
  await cluster?.stop()
})

export const newPage = (colorScheme, viewport = { width: 1440, height: 900 }, looks = {}) =>
  openPage(browser, offences, { colorScheme, viewport, ...looks })

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
