import { screen, within } from '@testing-library/react'
import { beforeEach, expect, test } from 'vitest'
import type { TokenRowFragment } from '@/api/generated'
import { noteSignedIn } from '@/api/session'
import { ANONYMOUS, user } from '@/testing/factories'
import { type Answers, last, open } from '@/testing/render'

beforeEach(() => noteSignedIn(false))

function token(given: Partial<TokenRowFragment>): TokenRowFragment {
  return {
    id: 't1',
    name: 'ci',
    role: 'OPERATOR',
    namespaceRoles: [],
    createdAt: '2026-11-01T00:00:00.000Z',
    createdBy: 'ada',
    expiresAt: '2999-01-01T00:00:00.000Z',
    lastUsedOn: '2026-11-30',
    revokedAt: null,
    ...given,
  }
}

const ROWS = [
  token({}),
  token({ id: 't2', name: 'old', expiresAt: '2026-01-01T00:00:00.000Z', lastUsedOn: null }),
  token({ id: 't3', name: 'gone', revokedAt: '2026-11-02T00:00:00.000Z' }),
]

const see = (more: Answers = {}) =>
  open('/tokens', { Me: () => ({ me: user('ADMIN') }), ApiTokens: () => ({ apiTokens: ROWS }), ...more })

const rowOf = async (name: string) => (await screen.findByRole('rowheader', { name })).closest('tr')

test('each token has its state; only one that is valid can be revoked', async () => {
  await see()
  expect((await rowOf('ci'))?.textContent).toMatch(/Operator.*Active.*2026-11-30.*Revoke/)
  expect((await rowOf('old'))?.textContent).toMatch(/Expired.*never/)
  expect((await rowOf('gone'))?.textContent).toMatch(/Revoked/)
  expect(screen.getAllByRole('button', { name: /^Revoke the token/ })).toHaveLength(1)
})

test('a secret is shown once, with a warning', async () => {
  const { user: person, asked } = await see({ CreateApiToken: () => ({ createApiToken: { secret: 'hrl_secret' } }) })
  await person.click(await screen.findByRole('button', { name: 'New token' }))
  await person.type(screen.getByLabelText('Name'), 'backup')
  await person.clear(screen.getByLabelText('Days until it expires'))
  await person.type(screen.getByLabelText('Days until it expires'), '400')
  await person.click(screen.getByRole('button', { name: 'Create token' }))
  expect(screen.getByText('A whole number from 1 to 365')).toBeTruthy()
  expect(last(asked, 'CreateApiToken')).toBeUndefined()
  await person.type(screen.getByLabelText('Days until it expires'), '{Backspace}')
  await person.click(screen.getByRole('button', { name: 'Create token' }))
  const dialog = await screen.findByRole('dialog', { name: 'The token “backup”' })
  expect(last(asked, 'CreateApiToken')).toEqual({
    name: 'backup',
    role: 'VIEWER',
    namespaceRoles: [],
    expiresInDays: 40,
  })
  expect(within(dialog).getByRole('region', { name: 'Token' }).textContent).toBe('hrl_secret')
  expect(within(dialog).getByRole('button', { name: 'Copy token' })).toBeTruthy()
  expect(dialog.textContent).toContain('The token is shown only now')
  await person.click(screen.getByRole('button', { name: 'I have copied it' }))
  expect(screen.queryByText('hrl_secret')).toBeNull()
})

test('a token is revoked after a question', async () => {
  const { user: person, asked } = await see({ RevokeApiToken: () => ({ revokeApiToken: { id: 't1' } }) })
  await person.click(await screen.findByRole('button', { name: 'Revoke the token ci' }))
  await screen.findByRole('dialog', { name: 'Revoke the token “ci”?' })
  expect(last(asked, 'RevokeApiToken')).toBeUndefined()
  await person.click(screen.getByRole('button', { name: 'Revoke token' }))
  await screen.findByText('The token “ci” is revoked.')
  expect(last(asked, 'RevokeApiToken')).toEqual({ id: 't1' })
})

test('an open cluster has no first token: with it no user could sign in', async () => {
  await see({ Me: () => ({ me: ANONYMOUS }), ApiTokens: () => ({ apiTokens: [] }) })
  await screen.findByText('No API token yet')
  const create = screen.getByRole<HTMLButtonElement>('button', { name: 'New token' })
  expect(create.disabled).toBe(true)
  expect(create.title).toBe('Create the first admin before the first token')
})
