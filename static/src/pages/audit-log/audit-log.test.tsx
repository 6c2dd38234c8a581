import { screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import { noteSignedIn } from '@/api/session'
import { openJob } from '@/pages/job/factories'
import { auditEntry, user } from '@/testing/factories'
import { type Answers, last, open, pageOf } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

const ADMIN = { Me: () => ({ me: user('ADMIN') }) }
const details = JSON.stringify({ before: { status: 'ACTIVE' }, after: { status: 'PAUSED' }, reason: 'the printer' })
const ROWS = [
  auditEntry({ id: '2', action: 'pauseJob', objectId: 'j', objectName: 'Payroll', details }),
  auditEntry({
    id: '1',
    action: 'createUser',
    caller: 'bob',
    objectKind: 'user',
    objectName: 'eve',
    outcome: 'REFUSED',
  }),
]

const see = (address = '/audit-log', more: Answers = {}) =>
  open(address, { ...ADMIN, AuditLog: () => ({ auditLog: pageOf(ROWS) }), ...more })

test('an entry says who did what to which object, and whether it was refused', async () => {
  await see()
  await screen.findByRole('link', { name: 'Payroll' })
  const [, first, second] = within(screen.getByRole('table', { name: 'Audit log' })).getAllByRole('row')
  expect(first?.textContent).toMatch(/ada.*Pause job.*Payroll.*Done/)
  expect(second?.textContent).toMatch(/bob.*Create user.*eve.*Refused/)
  expect(screen.getByRole('link', { name: 'Payroll' }).getAttribute('href')).toBe('/jobs/j')
})

test('the details of an entry have the values before and after', async () => {
  const { user: person } = await see()
  await person.click(await screen.findByRole('button', { name: 'Pause job' }))
  const dialog = within(await screen.findByRole('dialog', { name: 'Pause job' }))
  expect(dialog.getByRole('region', { name: 'Changes' }).textContent).toContain('status: ACTIVE PAUSED')
  expect(dialog.getByRole('region', { name: 'Details' }).textContent).toContain('"reason": "the printer"')
  expect(dialog.getByText('10.0.0.1')).toBeTruthy()
})

test('the filters stand in the address and in the request', async () => {
  const { user: person, address, asked } = await see('/audit-log?caller=ada')
  await waitFor(() => expect(last(asked, 'AuditLog')).toMatchObject({ filter: { caller: 'ada' } }))
  await person.selectOptions(await screen.findByLabelText('Outcome'), 'Refused')
  await person.selectOptions(screen.getByLabelText('Kind of object'), 'User')
  await waitFor(() =>
    expect(last(asked, 'AuditLog')).toMatchObject({
      filter: { caller: 'ada', outcome: 'REFUSED', objectKind: 'user' },
    }),
  )
  expect(address()).toBe('/audit-log?caller=ada&outcome=REFUSED&kind=user')
})

test('the page of a job shows an admin what was done to it', async () => {
  const entries = { AuditLog: () => ({ auditLog: pageOf(ROWS.slice(0, 1)) }) }
  const { asked } = await openJob({}, { ...ADMIN, ...entries })
  expect(await screen.findByRole('button', { name: 'Pause job' })).toBeTruthy()
  expect(last(asked, 'AuditLog')).toMatchObject({ filter: { objectId: 'j' } })
})

test('the page of a job reads no audit log without the role', async () => {
  const { asked } = await openJob({}, { Me: () => ({ me: user('EDITOR') }) })
  await screen.findByRole('heading', { name: 'Versions' })
  await screen.findByRole('button', { name: 'Account: ada, editor' })
  expect(last(asked, 'AuditLog')).toBeUndefined()
  expect(screen.queryByText('Changes and commands')).toBeNull()
})
