import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ROLE_VALUES, type Role } from '@/api/generated'
import { jobRow, namespace, user } from '@/testing/factories'
import { open, pageOf } from '@/testing/render'
import { type Command, includes, NEEDED, OF_CLUSTER, offerTo, type Roles, roleIn, rolesInWords } from './rights'

const COMMANDS = Object.keys(NEEDED) as Command[]
const TABLE = join(dirname(fileURLToPath(import.meta.url)), '../../../src/api/access.rs')

const of = (role: Role | null, ...namespaceRoles: [string, Role][]): Roles => ({
  role,
  namespaceRoles: namespaceRoles.map(([namespace, role]) => ({ namespace, role })),
})

test('a role includes those before it', () => {
  ROLE_VALUES.forEach((role, index) => {
    ROLE_VALUES.forEach((needed, before) => {
      expect(includes(role, needed), `${role} ${needed}`).toBe(index >= before)
    })
  })
})

test('a command is offered to the roles that have it, and to no other', () => {
  for (const command of COMMANDS) {
    for (const role of ROLE_VALUES) {
      expect(offerTo(of(role), command).disabled, `${role} ${command}`).toBe(!includes(role, NEEDED[command]))
    }
  }
})

test('a caller without any command sees none; the others read which role is missing', () => {
  expect(offerTo(null, 'runJobNow').shown).toBe(false)
  expect(offerTo(of('VIEWER'), 'runJobNow').shown).toBe(false)
  expect(offerTo(of('OPERATOR'), 'deleteJob')).toEqual({
    shown: true,
    disabled: true,
    title: 'This needs the role editor.',
  })
})

test.skipIf(!existsSync(TABLE))('the table is that of the node', () => {
  const rows = [...readFileSync(TABLE, 'utf8').matchAll(/\("(\w+)", Role::(\w+)\)/g)]
  const nodes = new Map(rows.map(([, field = '', role = '']) => [field, role.toUpperCase()]))
  expect(Object.fromEntries(COMMANDS.map((command) => [command, nodes.get(command)]))).toEqual(NEEDED)
})

test.skipIf(!existsSync(TABLE))('the commands of the whole cluster are those of the node', () => {
  const list = /OF_NAMESPACES: \[&str; \d+\] = \[([^\]]*)\]/.exec(readFileSync(TABLE, 'utf8'))?.[1] ?? ''
  const ofNamespaces = new Set([...list.matchAll(/"(\w+)"/g)].map(([, field]) => field))
  expect(COMMANDS.filter((command) => !ofNamespaces.has(command)).sort()).toEqual([...OF_CLUSTER].sort())
})

test('a role counts in its namespace, and that of the cluster everywhere', () => {
  const caller = of('VIEWER', ['a', 'EDITOR'], ['b', 'OPERATOR'])
  expect([roleIn(caller, 'a'), roleIn(caller, 'b'), roleIn(caller, 'c')]).toEqual(['EDITOR', 'OPERATOR', 'VIEWER'])
  expect([roleIn(caller, null), roleIn(caller, undefined)]).toEqual(['VIEWER', 'EDITOR'])
  expect(roleIn(of('ADMIN', ['a', 'VIEWER']), 'a')).toBe('ADMIN')
  expect(roleIn(of(null, ['a', 'VIEWER']), 'b')).toBeNull()
  expect(rolesInWords(caller)).toBe('viewer, editor in a, operator in b')
  expect(rolesInWords(of(null))).toBe('no role')
})

test('what a caller may not do in the namespace of an object is not there', () => {
  const caller = of(null, ['a', 'EDITOR'], ['b', 'OPERATOR'])
  expect(offerTo(caller, 'updateJob', 'a')).toMatchObject({ shown: true, disabled: false })
  expect(offerTo(caller, 'updateJob', 'b').shown).toBe(false)
  expect(offerTo(caller, 'runJobNow', 'b').shown).toBe(true)
  expect(offerTo(caller, 'runJobNow', 'c').shown).toBe(false)
  expect(offerTo(caller, 'createJob')).toMatchObject({ shown: true, disabled: false })
  // An admin of a namespace manages neither users nor the cluster.
  for (const command of OF_CLUSTER) {
    expect(offerTo(of(null, ['a', 'ADMIN']), command, 'a').shown, command).toBe(false)
    expect(offerTo(of(null, ['a', 'ADMIN']), command).shown, command).toBe(false)
  }
})

const jobs = { JobsPage: () => ({ jobsPage: pageOf([jobRow({ name: 'Payroll' })]) }) }

test('a viewer finds no command in the list of jobs, and nothing to select', async () => {
  const { user: person } = await open('/jobs', { ...jobs, Me: () => ({ me: user('VIEWER') }) })
  await screen.findByRole('link', { name: 'Payroll' })
  await screen.findByRole('button', { name: 'Account: ada, viewer' })
  const main = within(screen.getByRole('main'))
  expect(main.queryByRole('checkbox')).toBeNull()
  expect(main.queryByRole('button', { name: /^Run/ })).toBeNull()
  expect(main.queryByText('New job')).toBeNull()
  await person.click(main.getByRole('button', { name: 'More for Payroll' }))
  const items = await screen.findAllByRole('menuitem')
  expect(items.map((item) => item.textContent)).toEqual(['View executions'])
})

test('an operator runs jobs, and reads who may create them', async () => {
  await open('/jobs', { ...jobs, Me: () => ({ me: user('OPERATOR') }) })
  await screen.findByRole('button', { name: 'Run Payroll now' })
  const create = screen.getByRole<HTMLButtonElement>('button', { name: 'New job' })
  expect(create.disabled).toBe(true)
  expect(create.title).toBe('This needs the role editor.')
})

test('the form of a job, opened by its address, says which role it needs', async () => {
  await open('/jobs/new', { Me: () => ({ me: user('VIEWER') }) })
  expect(await screen.findByRole('heading', { level: 1, name: 'This needs the role editor' })).toBeTruthy()
  expect(screen.queryByRole('textbox')).toBeNull()
})

test('only an admin has links to users, tokens and the audit log, and their pages', async () => {
  await open('/users', { Me: () => ({ me: user('EDITOR') }) })
  expect(await screen.findByRole('heading', { level: 1, name: 'This needs the role admin' })).toBeTruthy()
  expect(screen.queryByRole('link', { name: 'Users' })).toBeNull()
})

test('a caller with the role monitor reads why there are no pages, and the page asks for nothing', async () => {
  const { asked } = await open('/jobs', { ...jobs, Me: () => ({ me: user('MONITOR') }) })
  expect(await screen.findByRole('heading', { level: 1, name: 'Your role has no pages' })).toBeTruthy()
  const before = asked.length
  window.dispatchEvent(new Event('visibilitychange'))
  await waitFor(() => expect(asked.slice(before).every(({ operation }) => operation === 'Me')).toBe(true))
})

test('a refusal for a missing role is a sentence, and the role is read again', async () => {
  let role: 'OPERATOR' | 'VIEWER' = 'OPERATOR'
  const refusal = () => {
    role = 'VIEWER'
    return Object.assign(new Error('runJobNow needs the role OPERATOR: ada has VIEWER'), { code: 'FORBIDDEN' })
  }
  const { user: person } = await open('/jobs', { ...jobs, Me: () => ({ me: user(role) }), RunJobNow: refusal })
  await person.click(await screen.findByRole('button', { name: 'Run Payroll now' }))
  await screen.findByText('This needs the role operator, and yours is viewer. An admin can change it.')
  await waitFor(() => expect(screen.queryByRole('button', { name: 'Run Payroll now' })).toBeNull())
})

test('in a list each job has the commands of its namespace', async () => {
  const rows = ['a', 'b'].map((name) => jobRow({ name: `Job of ${name}`, namespace: name }))
  const me = user(null, 'ada', [
    { namespace: 'a', role: 'EDITOR' },
    { namespace: 'b', role: 'VIEWER' },
  ])
  const { user: person } = await open('/jobs', {
    JobsPage: () => ({ jobsPage: pageOf(rows) }),
    Me: () => ({ me }),
    Namespaces: () => ({ namespaces: [namespace('a'), namespace('b')] }),
  })
  await screen.findByRole('button', { name: 'Run Job of a now' })
  expect(screen.queryByRole('button', { name: 'Run Job of b now' })).toBeNull()
  await person.click(screen.getByRole('button', { name: 'More for Job of b' }))
  const items = await screen.findAllByRole('menuitem')
  expect(items.map((item) => item.textContent)).toEqual(['View executions'])
})
