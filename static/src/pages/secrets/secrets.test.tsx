import { screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import type { SecretRowFragment } from '@/api/generated'
import { noteSignedIn } from '@/api/session'
import { formJob } from '@/pages/job-form/factories'
import { user } from '@/testing/factories'
import { type Answers, last, open } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

function secret(given: Partial<SecretRowFragment> = {}): SecretRowFragment {
  return {
    namespace: 'default',
    name: 'crm-token',
    description: null,
    hosts: ['api.example.com'],
    isSigning: false,
    version: 3,
    createdAt: '2026-11-30T10:00:00.000Z',
    createdBy: 'ada',
    updatedAt: '2026-11-30T10:00:00.000Z',
    jobCount: 0,
    ...given,
  }
}

const ROWS = [secret({ jobCount: 4 }), secret({ name: 'crm-signature', isSigning: true })]
const secrets = (rows = ROWS) => ({ Secrets: () => ({ secrets: rows }) })
const ADMIN = { Me: () => ({ me: user('ADMIN') }), ...secrets() }

const see = (more: Answers = {}) => open('/secrets', { ...ADMIN, ...more })

test('a secret has its hosts, its version and its jobs; one in use cannot be deleted', async () => {
  const { user: person } = await see()
  const row = (await screen.findByRole('rowheader', { name: 'crm-token' })).closest('tr') as HTMLElement
  expect(row.textContent).toMatch(/Sent.*api\.example\.com.*3.*4/)
  await person.click(within(row).getByRole('button', { name: 'More for crm-token' }))
  expect((await screen.findByRole('menuitem', { name: /^Delete/ })).getAttribute('aria-disabled')).toBe('true')
})

test('an editor sees the names, and no command', async () => {
  await see({ Me: () => ({ me: user('EDITOR') }) })
  await screen.findByRole('rowheader', { name: 'crm-token' })
  expect(screen.queryByRole('button', { name: /^More for crm/ })).toBeNull()
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'New secret' }).disabled).toBe(true)
})

test('an operator has no page of secrets', async () => {
  await see({ Me: () => ({ me: user('OPERATOR') }) })
  expect(await screen.findByRole('heading', { level: 1, name: 'This needs the role editor' })).toBeTruthy()
  expect(screen.queryByRole('link', { name: 'Secrets' })).toBeNull()
})

test('a secret is created, and its value is nowhere on the page afterwards', async () => {
  const { user: person, asked, queries } = await see({ CreateSecret: () => ({ createSecret: { name: 'x' } }) })
  await person.click(await screen.findByRole('button', { name: 'New secret' }))
  await person.type(screen.getByLabelText('Name'), 'x')
  await person.type(screen.getByLabelText('New value'), 'short')
  await person.click(screen.getByRole('button', { name: 'Create secret' }))
  expect(screen.getByText('A value has at least 8 characters')).toBeTruthy()
  expect(screen.getByText('At least one host')).toBeTruthy()
  expect(last(asked, 'CreateSecret')).toBeUndefined()
  await person.type(screen.getByLabelText('New value'), ' no more')
  await person.type(screen.getByLabelText('Hosts'), 'a.example.com, b.example.com:8443')
  await person.click(screen.getByRole('button', { name: 'Create secret' }))
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect(last(asked, 'CreateSecret')).toEqual({
    input: {
      namespace: 'default',
      name: 'x',
      value: 'short no more',
      hosts: ['a.example.com', 'b.example.com:8443'],
      description: null,
    },
  })
  expect(document.body.innerHTML).not.toContain('short no more')
  expect(
    JSON.stringify(
      queries
        .getQueryCache()
        .getAll()
        .map(({ state }) => state.data),
    ),
  ).not.toContain('short no more')
})

test('a generated signing secret is shown once', async () => {
  const { user: person, asked } = await see({ UpdateSecret: () => ({ updateSecret: { name: 'x', version: 4 } }) })
  await person.click(await screen.findByRole('button', { name: 'More for crm-signature' }))
  await person.click(await screen.findByRole('menuitem', { name: 'New value…' }))
  await person.selectOptions(screen.getByLabelText('Value'), 'Generate one that signs requests, and show it once')
  await person.click(screen.getByRole('button', { name: 'Set value' }))
  const shown = await screen.findByRole('region', { name: 'Signing secret' })
  const { value } = (last(asked, 'UpdateSecret') as { input: { value: string } }).input
  expect(value).toMatch(/^whsec_/)
  expect(shown.textContent).toContain(value)
  await person.click(screen.getByRole('button', { name: 'I have copied it' }))
  await waitFor(() => expect(document.body.innerHTML).not.toContain(value))
})

test('new hosts are sent without a value', async () => {
  const { user: person, asked } = await see({ UpdateSecret: () => ({ updateSecret: { name: 'x', version: 4 } }) })
  await person.click(await screen.findByRole('button', { name: 'More for crm-token' }))
  await person.click(await screen.findByRole('menuitem', { name: 'Edit hosts…' }))
  await person.type(screen.getByLabelText('Hosts'), '\nb.example.com')
  await person.click(screen.getByRole('button', { name: 'Save' }))
  await waitFor(() =>
    expect(last(asked, 'UpdateSecret')).toEqual({
      input: {
        namespace: 'default',
        name: 'crm-token',
        hosts: ['api.example.com', 'b.example.com'],
        description: null,
      },
    }),
  )
})

test('the form of a job offers references for headers, and signing secrets for a webhook', async () => {
  const { user: person, asked } = await open('/jobs/new', {
    ...ADMIN,
    CalendarNames: () => ({ calendars: [] }),
    CreateJob: () => ({ createJob: { id: 'j', name: 'x' } }),
  })
  await person.type(await screen.findByLabelText('Name'), 'x')
  await person.type(screen.getByLabelText('URL'), 'https://api.example.com/')
  await person.click(await screen.findByRole('button', { name: 'Insert a secret into the headers' }))
  const items = await screen.findAllByRole('menuitem')
  expect(items.map((item) => item.textContent)).toEqual(['crm-tokenapi.example.com'])
  await person.click(screen.getByRole('menuitem'))
  await person.selectOptions(screen.getByLabelText('Sign requests with'), 'crm-signature')
  expect(last(asked, 'Secrets')).toEqual({ namespace: 'default' })
  await person.click(screen.getByRole('button', { name: 'Create job' }))
  await waitFor(() => expect(last(asked, 'CreateJob')).toBeDefined())
  expect(last(asked, 'CreateJob')).toMatchObject({
    input: {
      target: {
        http: { headers: { Authorization: `Bearer \${secret:crm-token}` }, signingSecrets: ['crm-signature'] },
      },
    },
  })
})

test('an edit keeps the signing secrets of the job, also those that are gone', async () => {
  const target = { http: { url: 'https://h/', method: 'POST', signingSecrets: ['old'] } }
  const { user: person, asked } = await open('/jobs/1/edit', {
    ...ADMIN,
    ...secrets([]),
    CalendarNames: () => ({ calendars: [] }),
    FormJob: () => ({ job: formJob({ target }) }),
    UpdateJob: () => ({ updateJob: { id: '1', name: 'Report' } }),
  })
  expect((await screen.findByLabelText<HTMLSelectElement>('Sign requests with')).value).toBe('old')
  await person.click(screen.getByRole('button', { name: 'Save changes' }))
  await waitFor(() =>
    expect(last(asked, 'UpdateJob')).toMatchObject({ input: { target: { http: { signingSecrets: ['old'] } } } }),
  )
})
