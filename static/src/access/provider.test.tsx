import { screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { noteSignedIn } from '@/api/session'
import { type Answers, open } from '@/testing/render'
import { rememberPage, returnToPage, takeProviderFault } from './provider'

const UNKNOWN = () => Object.assign(new Error('the caller is unknown'), { code: 'UNAUTHENTICATED' })
const OPTIONS = 'GET /session/options'

beforeEach(() => noteSignedIn(false))
afterEach(() => {
  history.replaceState(null, '', '/')
  sessionStorage.clear()
})

const see = (options: unknown, more: Answers = {}) =>
  open('/jobs', { Me: UNKNOWN, Overview: UNKNOWN, JobsPage: UNKNOWN, [OPTIONS]: () => options, ...more })

test('a provider is offered next to the password', async () => {
  await see({ password: true, openId: { name: 'Example' } })
  const link = await screen.findByRole<HTMLAnchorElement>('link', { name: 'Sign in with Example' })
  expect(link.getAttribute('href')).toBe('/session/openid')
  expect(screen.getByLabelText('Password')).toBeTruthy()
})

test('a provider is the only way where the node says so', async () => {
  await see({ password: false, openId: { name: 'Example' } })
  await screen.findByRole('link', { name: 'Sign in with Example' })
  expect(screen.queryByLabelText('Password')).toBeNull()
})

test('without a provider, and on a node that knows no options, there is the password', async () => {
  const { asked } = await see({ password: true, openId: null })
  await waitFor(() => expect(asked.some(({ operation }) => operation === OPTIONS)).toBe(true))
  expect(await screen.findByLabelText('Password')).toBeTruthy()
  expect(screen.queryByRole('link', { name: /^Sign in with/ })).toBeNull()
})

test.each([
  ['no-role', /^The provider knows you, but you have no role here/],
  ['expired', /^The sign-in took longer than 10 minutes/],
  ['<b>buy this</b>', /^The sign-in failed. Start it again.$/],
  ['constructor', /^The sign-in failed. Start it again.$/],
])('the fault %s of the provider is said in words, once', async (code, words) => {
  history.replaceState(null, '', `/#/sign-in?error=${encodeURIComponent(code)}`)
  await see({ password: true, openId: { name: 'Example' } })
  expect(await screen.findByText(words)).toBeTruthy()
  expect(screen.queryByText(/buy this/)).toBeNull()
  expect(location.hash).toBe('')
})

test('the page that was open is open again after the sign-in, and no other host', () => {
  history.replaceState(null, '', '/jobs?search=pay')
  rememberPage()
  history.replaceState(null, '', '/')
  returnToPage()
  expect(location.pathname + location.search).toBe('/jobs?search=pay')
  history.replaceState(null, '', '/')
  returnToPage()
  expect(location.pathname).toBe('/')
  sessionStorage.setItem('horolog.return', '//example.com/')
  returnToPage()
  expect(location.pathname).toBe('/')
})

test('a fault of the provider leads to that page, too', () => {
  history.replaceState(null, '', '/jobs?search=pay')
  rememberPage()
  history.replaceState(null, '', '/#/sign-in?error=denied')
  returnToPage()
  expect(location.pathname + location.search + location.hash).toBe('/jobs?search=pay#/sign-in?error=denied')
  expect(takeProviderFault()).toBe('The provider refused the sign-in.')
  expect(location.pathname + location.search + location.hash).toBe('/jobs?search=pay')
})
