import { screen, waitFor } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { noteAnswer } from '@/api/connection'
import { jobRow, overview } from '@/testing/factories'
import { open, pageOf } from '@/testing/render'

const ANSWERS = { JobsPage: () => ({ jobsPage: pageOf([jobRow()]) }) }

afterEach(() => {
  noteAnswer()
  localStorage.clear()
})

test('a slash goes to the search of the jobs from anywhere, a question mark shows the keys', async () => {
  const { user, address } = await open('/', ANSWERS)
  await screen.findByRole('heading', { name: 'Overview' })
  await user.keyboard('/')
  const field = await screen.findByRole('searchbox')
  await waitFor(() => expect(document.activeElement).toBe(field))
  expect(address()).toBe('/jobs')
  await user.keyboard('?')
  expect((field as HTMLInputElement).value).toBe('?')
  field.blur()
  await user.keyboard('?')
  expect(await screen.findByRole('dialog', { name: 'Keyboard shortcuts' })).toBeTruthy()
})

test('g and a letter go to a page', async () => {
  const { user, address } = await open('/', ANSWERS)
  await screen.findByRole('heading', { name: 'Overview' })
  await user.keyboard('gj')
  await waitFor(() => expect(address()).toBe('/jobs'))
})

test('Ctrl K goes to the search, also from a field', async () => {
  const { user, address } = await open('/', ANSWERS)
  await screen.findByRole('heading', { name: 'Overview' })
  await user.keyboard('{Control>}k{/Control}')
  const field = await screen.findByRole('searchbox')
  await waitFor(() => expect(document.activeElement).toBe(field))
  expect(address()).toBe('/jobs')
})

test('j and k move through the rows of a list', async () => {
  const rows = [jobRow({ name: 'First' }), jobRow({ name: 'Second' })]
  const { user } = await open('/jobs', { JobsPage: () => ({ jobsPage: pageOf(rows) }) })
  await screen.findByRole('link', { name: 'Second' })
  const focused = () => document.activeElement?.textContent
  await user.keyboard('j')
  expect(focused()).toBe('First')
  await user.keyboard('j')
  expect(focused()).toBe('Second')
  await user.keyboard('jk')
  expect(focused()).toBe('First')
})

test('a node that goes away is said, and the page comes back with it', async () => {
  const { user } = await open('/', ANSWERS)
  await screen.findByRole('heading', { name: 'Overview' })
  const answering = globalThis.fetch
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')))
  await user.click(screen.getByRole('link', { name: 'Jobs' }))
  expect((await screen.findAllByText(/This node does not answer/)).length).toBeGreaterThan(0)
  vi.stubGlobal('fetch', answering)
  await waitFor(() => expect(screen.queryByText(/This node does not answer/)).toBeNull(), { timeout: 5_000 })
  expect(await screen.findByRole('table', { name: 'Jobs' })).toBeTruthy()
})

test('a database that goes away is said; what was read stays', async () => {
  let away = false
  const answers = {
    ...ANSWERS,
    Overview: () => (away ? Object.assign(new Error('try again'), { code: 'UNAVAILABLE' }) : { overview: overview() }),
  }
  await open('/', answers)
  await screen.findByText('All is well', { selector: 'p.text-lg' })
  away = true
  window.dispatchEvent(new Event('visibilitychange'))
  expect((await screen.findByRole('alert', {}, { timeout: 5_000 })).textContent).toContain(
    'The database does not answer.',
  )
  expect(screen.getByText('All is well', { selector: 'p.text-lg' })).toBeTruthy()
  away = false
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull(), { timeout: 5_000 })
})

test('an address that no page has says so', async () => {
  await open('/nonsense')
  expect(await screen.findByRole('heading', { level: 1, name: 'There is no such page' })).toBeTruthy()
  expect(screen.getAllByRole('main')).toHaveLength(1)
  expect(document.title).toBe('There is no such page · Horolog')
})

test('the colours that were chosen are kept', async () => {
  const { user } = await open('/')
  await user.click(await screen.findByRole('button', { name: 'Dark colours' }))
  expect(document.documentElement.dataset.theme).toBe('dark')
  expect(localStorage.getItem('horolog.theme')).toBe('dark')
  await user.click(screen.getByRole('button', { name: 'Colours as the system' }))
  expect(document.documentElement.dataset.theme).toBeUndefined()
})
