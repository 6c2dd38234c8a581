import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ROLE_VALUES } from '@/api/generated'
import { jobRow, user } from '@/testing/factories'
import { open, pageOf } from '@/testing/render'
import { type Command, includes, NEEDED, offerTo } from './rights'

const COMMANDS = Object.keys(NEEDED) as Command[]
const TABLE = join(dirname(fileURLToPath(import.meta.url)), '../../../src/api/access.rs')

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
      expect(offerTo(role, command).disabled, `${role} ${command}`).toBe(!includes(role, NEEDED[command]))
    }
  }
})

test('a caller without any command sees none; the others read which role is missing', () => {
  expect(offerTo(null, 'runJobNow').shown).toBe(false)
  expect(offerTo('VIEWER', 'runJobNow').shown).toBe(false)
  expect(offerTo('OPERATOR', 'deleteJob')).toEqual({
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
