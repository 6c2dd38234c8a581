import { screen, waitFor } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import { noteSignedIn } from '@/api/session'
import { user } from '@/testing/factories'
import { last, open, Refusal } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

const ADA = { Me: () => ({ me: user('OPERATOR') }) }

async function openMenu(answers = {}) {
  const opened = await open('/jobs/new', { ...ADA, ...answers })
  await opened.user.click(await screen.findByRole('button', { name: 'Account: ada, operator' }))
  await screen.findByRole('menu')
  return opened
}

test('the menu says who one is and what one may do', async () => {
  await openMenu()
  const menu = screen.getByRole('menu')
  expect(menu.textContent).toContain('adaOperatorReads, and runs, pauses, resumes, cancels and reruns.')
})

test('after a sign-out nothing of the page is left, and the next user starts at the overview', async () => {
  const { user: person, address, asked, queries } = await openMenu()
  await person.click(screen.getByRole('menuitem', { name: 'Sign out' }))
  expect(await screen.findByRole('dialog', { name: 'Sign in to Horolog' })).toBeTruthy()
  expect(asked.some(({ operation }) => operation === 'DELETE /session')).toBe(true)
  expect(screen.queryByRole('navigation')).toBeNull()
  expect(queries.getQueryCache().getAll()).toEqual([])
  expect(address()).toBe('/')
  expect(screen.getByLabelText<HTMLInputElement>('Name').value).toBe('')
})

test('a sign-out that failed says that one is still signed in', async () => {
  const { user: person } = await openMenu({ 'DELETE /session': () => new Refusal(503, 'The database is away.') })
  await person.click(screen.getByRole('menuitem', { name: 'Sign out' }))
  expect(await screen.findByText('The database is away. You are still signed in.')).toBeTruthy()
  expect(screen.queryByRole('dialog')).toBeNull()
})

test('signing out everywhere is asked for, and ends this session too', async () => {
  const { user: person, asked } = await openMenu({ SignOutEverywhere: () => ({ signOutEverywhere: true }) })
  await person.click(screen.getByRole('menuitem', { name: 'Sign out everywhere…' }))
  await person.click(await screen.findByRole('button', { name: 'Sign out everywhere' }))
  expect(await screen.findByRole('dialog', { name: 'Sign in to Horolog' })).toBeTruthy()
  expect(last(asked, 'SignOutEverywhere')).toEqual({ userId: null })
})

test('the password is changed with the current one; a short one is not sent', async () => {
  const { user: person, asked } = await openMenu({ ChangePassword: () => ({ changePassword: true }) })
  await person.click(screen.getByRole('menuitem', { name: 'Change password…' }))
  await person.type(await screen.findByLabelText('Current password'), 'the old one')
  await person.type(screen.getByLabelText('New password'), 'short')
  await person.click(screen.getByRole('button', { name: 'Change password' }))
  expect(screen.getByText('A password has at least 12 characters')).toBeTruthy()
  expect(last(asked, 'ChangePassword')).toBeUndefined()
  await person.type(screen.getByLabelText('New password'), ' is now long')
  await person.click(screen.getByRole('button', { name: 'Change password' }))
  await waitFor(() =>
    expect(last(asked, 'ChangePassword')).toEqual({ current: 'the old one', new: 'short is now long' }),
  )
  expect(await screen.findByText('The password is changed. Your other sessions have ended.')).toBeTruthy()
})

test('behind a proxy that signs in there is nothing to sign out of', async () => {
  await openMenu({ Me: () => ({ me: { ...user('OPERATOR'), sessionExpiresAt: null } }) })
  expect(screen.queryByRole('menuitem', { name: 'Sign out' })).toBeNull()
  expect(screen.getByText('Signed in by a proxy: sign out there.')).toBeTruthy()
})

test('an open cluster says so, and how to close it', async () => {
  const { user: person, address } = await open('/jobs/new', { Users: () => ({ users: [] }) })
  await person.click(await screen.findByRole('button', { name: 'No authentication' }))
  expect((await screen.findByRole('menu')).textContent).toContain('horolog user create NAME --admin')
  await person.click(screen.getByRole('menuitem', { name: 'Create the first admin…' }))
  await waitFor(() => expect(address()).toBe('/users'))
})
