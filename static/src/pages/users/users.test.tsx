import { screen, waitFor, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import type { UserRowFragment } from '@/api/generated'
import { noteSignedIn } from '@/api/session'
import { ANONYMOUS, namespace, user } from '@/testing/factories'
import { type Answers, last, open } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

const ROWS: UserRowFragment[] = [
  {
    id: 'u1',
    name: 'ada',
    role: 'ADMIN',
    namespaceRoles: [],
    isDisabled: false,
    hasPassword: true,
    createdAt: '2026-11-01T00:00:00.000Z',
    createdBy: 'command line of root',
    lastSignInAt: '2026-11-30T00:00:00.000Z',
  },
  {
    id: 'u2',
    name: 'bob',
    role: 'VIEWER',
    namespaceRoles: [],
    isDisabled: true,
    hasPassword: false,
    createdAt: '2026-11-02T00:00:00.000Z',
    createdBy: 'ada',
    lastSignInAt: null,
  },
]

const see = (more: Answers = {}) =>
  open('/users', { Me: () => ({ me: user('ADMIN') }), Users: () => ({ users: ROWS }), ...more })

test('each user has a role, a state, and an author', async () => {
  await see()
  const row = (await screen.findByRole('rowheader', { name: 'bob' })).closest('tr')
  expect(row?.textContent).toMatch(/Viewer.*Disabled.*without a password.*never.*by ada/)
  expect(screen.getByRole('rowheader', { name: 'ada (you)' })).toBeTruthy()
})

test('a generated password is sent, shown once, and not lost by a click outside', async () => {
  const { user: person, asked } = await see({ CreateUser: () => ({ createUser: { id: 'u3' } }) })
  await person.click(await screen.findByRole('button', { name: 'New user' }))
  await person.type(screen.getByLabelText('Name'), 'eve')
  await person.selectOptions(screen.getByLabelText('Role'), 'Operator')
  await person.click(screen.getByRole('button', { name: 'Create user' }))
  const dialog = await screen.findByRole('dialog', { name: '“eve” is created' })
  const sent = last(asked, 'CreateUser')
  expect(sent).toMatchObject({ name: 'eve', role: 'OPERATOR' })
  expect(sent?.password).toMatch(/^(\w{6}-){3}\w{6}$/)
  expect(within(dialog).getByRole('region', { name: 'Password' }).textContent).toBe(sent?.password)
  expect(within(dialog).getByRole('button', { name: 'Copy password' })).toBeTruthy()
  await person.click(dialog)
  expect(screen.getByRole('dialog', { name: '“eve” is created' })).toBeTruthy()
  await person.click(screen.getByRole('button', { name: 'I have copied it' }))
  expect(screen.queryByRole('dialog')).toBeNull()
  expect(screen.queryByText(String(sent?.password))).toBeNull()
})

test('a typed password that is too short is not sent, and a refused name stands at its field', async () => {
  const taken = () => Object.assign(new Error('name: it is taken'), { field: 'name' })
  const { user: person, asked } = await see({ CreateUser: taken })
  await person.click(await screen.findByRole('button', { name: 'New user' }))
  await person.type(screen.getByLabelText('Name'), 'bob')
  await person.selectOptions(screen.getByLabelText('Password'), 'Type one')
  await person.type(screen.getByLabelText('New password'), 'short')
  await person.click(screen.getByRole('button', { name: 'Create user' }))
  expect(screen.getByText('A password has at least 12 characters')).toBeTruthy()
  expect(last(asked, 'CreateUser')).toBeUndefined()
  await person.type(screen.getByLabelText('New password'), ' and longer')
  await person.click(screen.getByRole('button', { name: 'Create user' }))
  await waitFor(() => expect(screen.getByLabelText('Name').getAttribute('aria-invalid')).toBe('true'))
  expect(last(asked, 'CreateUser')?.password).toBe('short and longer')
})

test('the first user of an open cluster is an admin, and this browser is signed in as that admin', async () => {
  let isOpen = true
  const { user: person, asked } = await see({
    Me: () => ({
      me: isOpen ? ANONYMOUS : user('ADMIN'),
    }),
    Users: () => ({ users: [] }),
    CreateUser: () => {
      isOpen = false
      return { createUser: { id: 'u1' } }
    },
  })
  await person.click(await screen.findByRole('button', { name: 'Create the first admin' }))
  expect(screen.getByLabelText<HTMLSelectElement>('Role').disabled).toBe(true)
  await person.type(screen.getByLabelText('Name'), 'ada{Enter}')
  await screen.findByRole('dialog', { name: '“ada” is created' })
  const { password, role } = last(asked, 'CreateUser') ?? {}
  expect(role).toBe('ADMIN')
  expect(last(asked, 'POST /session')).toEqual({ name: 'ada', password })
  await person.click(screen.getByRole('button', { name: 'I have copied it' }))
  expect(await screen.findByRole('button', { name: 'Account: ada, admin' })).toBeTruthy()
})

async function choose(command: string, more: Answers) {
  const seen = await see(more)
  await seen.user.click(await screen.findByRole('button', { name: 'More for bob' }))
  await seen.user.click(await screen.findByRole('menuitem', { name: command }))
  return seen
}

test('the role of a user is changed; the last admin is told by the node', async () => {
  const last_admin = () => Object.assign(new Error('The last enabled admin stays one.'), { code: 'CONFLICT' })
  const { user: person, asked } = await choose('Change roles…', { SetUserRoles: last_admin })
  await person.selectOptions(await screen.findByLabelText('Role'), 'Editor')
  await person.click(screen.getByRole('button', { name: 'Change roles' }))
  expect((await screen.findByRole('alert')).textContent).toBe('The last enabled admin stays one.')
  expect(last(asked, 'SetUserRoles')).toEqual({ id: 'u2', role: 'EDITOR', namespaceRoles: [] })
})

test('another password is set and shown once', async () => {
  const { user: person, asked } = await choose('Set password…', { SetPassword: () => ({ setPassword: true }) })
  await person.click(await screen.findByRole('button', { name: 'Set password' }))
  const dialog = await screen.findByRole('dialog', { name: '“bob” has another password' })
  expect(last(asked, 'SetPassword')).toMatchObject({ userId: 'u2' })
  expect(dialog.textContent).toContain(String(last(asked, 'SetPassword')?.password))
})

test('a user is enabled, and deleted after a question', async () => {
  const { user: person, asked } = await choose('Enable', {
    SetUserDisabled: () => ({ updateUser: { id: 'u2' } }),
    DeleteUser: () => ({ deleteUser: true }),
  })
  await screen.findByText('“bob” is enabled.')
  expect(last(asked, 'SetUserDisabled')).toEqual({ id: 'u2', isDisabled: false })
  await person.click(screen.getByRole('button', { name: 'More for bob' }))
  await person.click(await screen.findByRole('menuitem', { name: 'Delete…' }))
  expect(last(asked, 'DeleteUser')).toBeUndefined()
  await person.click(await screen.findByRole('button', { name: 'Delete user' }))
  await screen.findByText('“bob” is deleted.')
  expect(last(asked, 'DeleteUser')).toEqual({ id: 'u2' })
})

test('a user gets a role in a namespace only', async () => {
  const { user: person, asked } = await see({
    Namespaces: () => ({ namespaces: ['default', 'team-a', 'team-b'].map((name) => namespace(name)) }),
    CreateUser: () => ({ createUser: { id: 'u3' } }),
  })
  await person.click(await screen.findByRole('button', { name: 'New user' }))
  await person.type(screen.getByLabelText('Name'), 'eve')
  await person.selectOptions(await screen.findByLabelText('Role in the whole cluster'), 'None')
  await person.click(screen.getByRole('button', { name: 'Create user' }))
  expect(await screen.findByText('A role is needed, here or in a namespace')).toBeTruthy()
  expect(last(asked, 'CreateUser')).toBeUndefined()
  await person.click(screen.getByRole('button', { name: 'Add a namespace' }))
  await person.selectOptions(screen.getByLabelText('Namespace 1'), 'team-b')
  await person.selectOptions(screen.getByLabelText('Role in team-b'), 'Editor')
  await person.click(screen.getByRole('button', { name: 'Create user' }))
  await screen.findByRole('dialog', { name: '“eve” is created' })
  expect(last(asked, 'CreateUser')).toMatchObject({
    name: 'eve',
    role: null,
    namespaceRoles: [{ namespace: 'team-b', role: 'EDITOR' }],
  })
})

test('with one namespace a form has one role, as before', async () => {
  const { user: person } = await see()
  await person.click(await screen.findByRole('button', { name: 'New user' }))
  expect(await screen.findByLabelText('Role')).toBeTruthy()
  expect(screen.queryByText('Roles in namespaces')).toBeNull()
})
