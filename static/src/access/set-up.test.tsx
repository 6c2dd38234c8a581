import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { fakeApi, last, Refusal } from '@/testing/render'
import SetUp from './set-up'

const SET_UP = 'POST /session/set-up'

function show(answer: () => unknown = () => undefined, token = 'once') {
  const asked = fakeApi({ [SET_UP]: answer })
  const onDone = vi.fn()
  render(<SetUp token={token} onDone={onDone} />)
  return { asked, onDone, person: userEvent.setup() }
}

async function fillIn(person: ReturnType<typeof userEvent.setup>, password: string) {
  await person.type(screen.getByLabelText('Name'), 'ada')
  await person.type(screen.getByLabelText('Password'), `${password}{Enter}`)
}

test('the link creates the first admin', async () => {
  const { asked, onDone, person } = show()
  await fillIn(person, 'correct horse battery')
  await vi.waitFor(() => expect(onDone).toHaveBeenCalledOnce())
  expect(last(asked, SET_UP)).toEqual({ token: 'once', name: 'ada', password: 'correct horse battery' })
})

test('a short password is not sent', async () => {
  const { asked, person } = show()
  await fillIn(person, 'short')
  expect(screen.getByText('A password has at least 12 characters')).toBeTruthy()
  expect(asked).toHaveLength(0)
})

test('a link that was used says where another one is', async () => {
  const { onDone, person } = show(() => new Refusal(401, 'the link is not valid'))
  await fillIn(person, 'correct horse battery')
  expect((await screen.findByRole('alert')).textContent).toMatch(/^This link does not work any more/)
  expect(onDone).not.toHaveBeenCalled()
})

test('a node that does not answer is said', async () => {
  const { person } = show(() => new TypeError('network'))
  await fillIn(person, 'correct horse battery')
  expect((await screen.findByRole('alert')).textContent).toBe('This node does not answer.')
})

test('an address without a token says what is missing', () => {
  show(undefined, '')
  expect(screen.getByText(/This address has no token/)).toBeTruthy()
  expect(screen.queryByRole('textbox')).toBeNull()
})
