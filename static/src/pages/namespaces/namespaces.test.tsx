import { screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import { noteSignedIn } from '@/api/session'
import { executionRow, jobRow, namespace, user } from '@/testing/factories'
import { type Answers, last, open, pageOf } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

const TWO = {
  Namespaces: () => ({ namespaces: [namespace('default'), namespace('team-a', { maxJobs: 5, jobCount: 2 })] }),
}
const ADMIN = { Me: () => ({ me: user('ADMIN') }), ...TWO }
const JOBS = { JobsPage: () => ({ jobsPage: pageOf([jobRow({ name: 'Payroll', namespace: 'team-a' })]) }) }

const see = (more: Answers = {}) => open('/namespaces', { ...ADMIN, ...more })

test('a namespace has its jobs and its limit; what has jobs, and the default one, cannot be deleted', async () => {
  await see()
  const row = (await screen.findByRole('rowheader', { name: 'team-a' })).closest('tr') as HTMLElement
  expect(within(row).getByRole('link', { name: '2' }).getAttribute('href')).toBe('/jobs?namespace=team-a')
  expect(row.textContent).toContain('5')
  expect(within(row).getByRole<HTMLButtonElement>('button', { name: /^Delete/ }).disabled).toBe(true)
  expect(screen.queryByRole('button', { name: 'Delete the namespace default' })).toBeNull()
})

test('a namespace is created; a name that the node would refuse is not sent', async () => {
  const { user: person, asked } = await see({ CreateNamespace: () => ({ createNamespace: { name: 'team-b' } }) })
  await person.click(await screen.findByRole('button', { name: 'New namespace' }))
  await person.type(screen.getByLabelText('Name'), 'Team B')
  await person.click(screen.getByRole('button', { name: 'Create namespace' }))
  expect(screen.getByText('From 1 to 63 lower case letters, digits and hyphens')).toBeTruthy()
  expect(last(asked, 'CreateNamespace')).toBeUndefined()
  await person.clear(screen.getByLabelText('Name'))
  await person.type(screen.getByLabelText('Name'), 'team-b')
  await person.type(screen.getByLabelText('Most jobs'), '100')
  await person.click(screen.getByRole('button', { name: 'Create namespace' }))
  await waitFor(() =>
    expect(last(asked, 'CreateNamespace')).toEqual({ input: { name: 'team-b', description: null, maxJobs: 100 } }),
  )
})

test('an edit keeps the name, and takes the limit away', async () => {
  const { user: person, asked } = await see({ UpdateNamespace: () => ({ updateNamespace: { name: 'team-a' } }) })
  await person.click(await screen.findByRole('button', { name: 'Edit the namespace team-a' }))
  expect(screen.getByLabelText<HTMLInputElement>('Name').disabled).toBe(true)
  await person.clear(screen.getByLabelText('Most jobs'))
  await person.click(screen.getByRole('button', { name: 'Save' }))
  await waitFor(() =>
    expect(last(asked, 'UpdateNamespace')).toEqual({ input: { name: 'team-a', description: null, maxJobs: null } }),
  )
})

test('an empty namespace is deleted after a question', async () => {
  const { user: person, asked } = await see({
    Namespaces: () => ({ namespaces: [namespace('default'), namespace('old')] }),
    DeleteNamespace: () => ({ deleteNamespace: true }),
  })
  await person.click(await screen.findByRole('button', { name: 'Delete the namespace old' }))
  await person.click(await screen.findByRole('button', { name: 'Delete namespace' }))
  await waitFor(() => expect(last(asked, 'DeleteNamespace')).toEqual({ name: 'old' }))
})

test('with several namespaces the list of jobs names and filters them', async () => {
  const { user: person, asked, address } = await open('/jobs', { ...ADMIN, ...JOBS })
  await screen.findByRole('link', { name: 'Payroll' })
  await screen.findByTitle('Namespace team-a')
  await person.click(screen.getByRole('button', { name: 'Namespace' }))
  await person.click(await screen.findByRole('menuitemcheckbox', { name: 'team-a' }))
  await waitFor(() => expect(last(asked, 'JobsPage')).toMatchObject({ filter: { namespaces: ['team-a'] } }))
  expect(address()).toBe('/jobs?namespace=team-a')
})

test('executions are filtered by the namespace of their jobs', async () => {
  const { asked } = await open('/executions?namespace=team-a', {
    ...ADMIN,
    ExecutionsPage: () => ({ executionsPage: pageOf([executionRow()]) }),
  })
  expect(await screen.findByRole('button', { name: 'Namespace: team-a' })).toBeTruthy()
  expect(last(asked, 'ExecutionsPage')).toMatchObject({ filter: { namespaces: ['team-a'] } })
})

test('with one namespace no page says a word about it', async () => {
  const { asked } = await open('/jobs', JOBS)
  await screen.findByRole('link', { name: 'Payroll' })
  await waitFor(() => expect(asked.some(({ operation }) => operation === 'Namespaces')).toBe(true))
  expect(screen.queryByRole('button', { name: /^Namespace/ })).toBeNull()
  expect(screen.queryByTitle(/^Namespace/)).toBeNull()
})

test('a new job goes to a namespace in which the caller may create it, and has its calendars', async () => {
  const me = user('VIEWER', 'ada', [{ namespace: 'team-a', role: 'EDITOR' }])
  const { user: person, asked } = await open('/jobs/new', {
    ...TWO,
    Me: () => ({ me }),
    CalendarNames: () => ({
      calendars: [
        { name: 'holidays', namespace: 'default' },
        { name: 'team-a/holidays', namespace: 'team-a' },
      ],
    }),
    CreateJob: () => ({ createJob: { id: 'j', name: 'x' } }),
  })
  const select = await screen.findByLabelText<HTMLSelectElement>('Namespace')
  expect([...select.options].map(({ value }) => value)).toEqual(['team-a'])
  const calendar = screen.getByLabelText<HTMLSelectElement>('Calendar')
  await waitFor(() => expect([...calendar.options].map(({ value }) => value)).toEqual(['', 'team-a/holidays']))
  await person.type(screen.getByLabelText('Name'), 'x')
  await person.selectOptions(screen.getByLabelText('Kind'), 'log')
  await person.click(screen.getByRole('button', { name: 'Create job' }))
  await waitFor(() => expect(last(asked, 'CreateJob')).toMatchObject({ input: { name: 'x', namespace: 'team-a' } }))
})
