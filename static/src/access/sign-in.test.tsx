import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import { currentSession, noteSignedIn, noteUnauthenticated } from '@/api/session'
import { jobRow, overview, user } from '@/testing/factories'
import { type Answers, open, pageOf, Refusal } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

const refused = () => Object.assign(new Error('the caller is unknown'), { code: 'UNAUTHENTICATED' })
const SIGN_IN = 'POST /session'

/** A node that knows the caller after a sign-in. */
function closed(answers: Answers = {}) {
  let signedIn = false
  const known = (answer: unknown) => (signedIn ? answer : refused())
  return {
    Me: () => known({ me: user('EDITOR') }),
    Overview: () => known({ overview: overview() }),
    JobsPage: () => known({ jobsPage: pageOf([jobRow({ name: 'Payroll' })]) }),
    [SIGN_IN]: () => {
      signedIn = true
    },
    ...answers,
  }
}

/** The page below has failures of its own. */
const dialog = () => within(screen.getByRole('dialog', { name: 'Sign in to Horolog' }))
const fault = () => dialog().findByRole('alert')

async function fillIn(person: Awaited<ReturnType<typeof open>>['user'], password = 'correct horse battery') {
  await person.type(await screen.findByLabelText('Name'), 'ada')
  await person.type(screen.getByLabelText('Password'), password)
  await person.click(screen.getByRole('button', { name: 'Sign in' }))
}

test('an unknown caller signs in, and is where the address leads', async () => {
  const { user: person, address, asked } = await open('/jobs?search=pay', closed())
  expect(await screen.findByRole('dialog', { name: 'Sign in to Horolog' })).toBeTruthy()
  await fillIn(person)
  expect(await screen.findByRole('link', { name: 'Payroll' })).toBeTruthy()
  expect(address()).toBe('/jobs?search=pay')
  expect(screen.queryByRole('dialog')).toBeNull()
  expect(asked.find(({ operation }) => operation === SIGN_IN)?.variables).toEqual({
    name: 'ada',
    password: 'correct horse battery',
  })
})

test('the form is one that password managers know', async () => {
  await open('/jobs', closed())
  const name = await screen.findByLabelText<HTMLInputElement>('Name')
  const password = screen.getByLabelText<HTMLInputElement>('Password')
  expect(name.form).not.toBeNull()
  expect(password.form).toBe(name.form)
  expect([name.autocomplete, password.autocomplete, password.type]).toEqual([
    'username',
    'current-password',
    'password',
  ])
  expect(document.activeElement).toBe(name)
})

test('a wrong password says so, and does not say more', async () => {
  const wrong = () => new Refusal(401, 'the name or the password is wrong')
  const { user: person } = await open('/jobs', closed({ [SIGN_IN]: wrong }))
  await fillIn(person, 'wrong')
  const alert = await fault()
  expect(alert.textContent).toBe('The name or the password is wrong, or the user is disabled.')
  expect(screen.getByLabelText<HTMLInputElement>('Password').value).toBe('')
  expect(screen.getByLabelText<HTMLInputElement>('Name').value).toBe('ada')
})

test('too many attempts say how long to wait, and nothing is sent before', async () => {
  const throttled = () => new Refusal(429, 'too many attempts', { 'retry-after': '30' })
  const { user: person, asked } = await open('/jobs', closed({ [SIGN_IN]: throttled }))
  await fillIn(person)
  await waitFor(() =>
    expect(dialog().getByRole('alert').textContent).toMatch(/^Too many attempts. Try again in (30|29) seconds.$/),
  )
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Sign in' }).disabled).toBe(true)
  // A password manager submits the form, whatever its button is.
  const form = screen.getByLabelText<HTMLInputElement>('Password').form
  if (form) fireEvent.submit(form)
  expect(asked.filter(({ operation }) => operation === SIGN_IN)).toHaveLength(1)
})

test('a node that does not answer is said, and what was typed stays', async () => {
  const { user: person } = await open('/jobs', closed({ [SIGN_IN]: () => new TypeError('network') }))
  await fillIn(person)
  expect((await fault()).textContent).toMatch(/^This node does not answer./)
  expect(screen.getByLabelText<HTMLInputElement>('Password').value).toBe('correct horse battery')
})

test('a session that ends asks for its password, and the page waits as it was', async () => {
  const {
    user: person,
    asked,
    queries,
  } = await open('/jobs/new', {
    Me: () => ({ me: user('EDITOR') }),
    [SIGN_IN]: () => undefined,
  })
  const field = await screen.findByLabelText('Description')
  await person.type(field, 'typed for an hour')
  noteUnauthenticated('the session expired at 2026-11-30T10:00:00Z', currentSession().number)
  await screen.findByRole('dialog', { name: 'Sign in to Horolog' })
  expect(dialog().getByRole('status').textContent).toBe('Your session expired. Sign in to continue where you were.')
  expect(dialog().getByLabelText<HTMLInputElement>('Name').value).toBe('ada')
  const before = asked.length
  await queries.invalidateQueries()
  expect(asked).toHaveLength(before)
  await person.type(dialog().getByLabelText('Password'), 'correct horse battery{Enter}')
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect(screen.getByLabelText<HTMLTextAreaElement>('Description').value).toBe('typed for an hour')
})

test('another user finds nothing of the page before', async () => {
  let name = 'ada'
  const { user: person } = await open('/jobs/new', {
    Me: () => ({ me: user('EDITOR', name) }),
    [SIGN_IN]: () => {
      name = 'bob'
    },
  })
  await person.type(await screen.findByLabelText('Description'), 'mine')
  noteUnauthenticated(null, currentSession().number)
  await screen.findByRole('dialog', { name: 'Sign in to Horolog' })
  await person.clear(dialog().getByLabelText('Name'))
  await person.type(dialog().getByLabelText('Name'), 'bob')
  await person.type(dialog().getByLabelText('Password'), 'correct horse battery{Enter}')
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect((await screen.findByLabelText<HTMLTextAreaElement>('Description')).value).toBe('')
  expect(await screen.findByRole('button', { name: 'Account: bob, editor' })).toBeTruthy()
})

test('an answer to a request of the session before ends nothing', () => {
  const before = currentSession().number
  noteSignedIn(true)
  noteUnauthenticated(null, before)
  expect(currentSession().state).toBe('open')
})
