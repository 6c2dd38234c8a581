// The routes of the session: they answer without GraphQL, and set or end the cookie, which no script can read.

import { BASE, GRAPHQL } from './base'
import { Unreachable } from './client'
import { MeDocument, type MeQuery } from './generated'

/** Seconds to wait when the node does not say how long. */
const RETRY_AFTER = 30

/** The node refused a sign-in. */
export class SignInRefused extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** The input field with the fault. */
    readonly field: string | null,
    /** Seconds until the next try is judged; null when it is judged at once. */
    readonly retryAfter: number | null,
  ) {
    super(message)
    this.name = 'SignInRefused'
  }
}

/** Signs in; throws SignInRefused or Unreachable. */
export function signIn(name: string, password: string): Promise<void> {
  return request('POST', 'session', { name, password })
}

/** Signs out in this browser. A session that has ended already is no fault. */
export async function signOut(): Promise<void> {
  try {
    await request('DELETE', 'session')
  } catch (error) {
    if (!(error instanceof SignInRefused && error.status === 401)) throw error
  }
}

/** Creates the first admin with the token of the one-time link, and signs in. */
export function setUp(token: string, name: string, password: string): Promise<void> {
  return request('POST', 'session/set-up', { token, name, password })
}

/** The ways to sign in. */
export interface SignInOptions {
  password: boolean
  /** The provider of OpenID Connect; null without one. */
  openId: { name: string } | null
}

/** What a node without an answer offers, and one that is older. */
export const PASSWORD_ONLY: SignInOptions = { password: true, openId: null }

/** The ways to sign in at this node. */
export async function getSignInOptions(): Promise<SignInOptions> {
  try {
    const response = await fetch(`${BASE}session/options`, { headers: { accept: 'application/json' } })
    const { password, openId } = (await response.json()) as Partial<SignInOptions>
    const name = openId?.name
    if (!response.ok || typeof name !== 'string') return PASSWORD_ONLY
    return { password: password !== false, openId: { name } }
  } catch {
    return PASSWORD_ONLY
  }
}

interface Refusal {
  errors?: { message?: string; extensions?: { field?: string | null } }[]
}

async function request(method: string, path: string, body?: Record<string, string>): Promise<void> {
  let response: Response
  try {
    response = await fetch(BASE + path, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
  } catch {
    throw new Unreachable()
  }
  if (response.ok) return
  const refusal = (await response.json().catch(() => null)) as Refusal | null
  const error = refusal?.errors?.[0]
  // A proxy answered with a page of its own: the node behind it is away.
  if (!error && response.status >= 500) throw new Unreachable()
  const wait = Number(response.headers.get('retry-after') ?? RETRY_AFTER)
  throw new SignInRefused(
    error?.message ?? `The node answered with the status ${response.status}.`,
    response.status,
    error?.extensions?.field ?? null,
    response.status === 429 ? Math.max(1, Math.ceil(wait) || RETRY_AFTER) : null,
  )
}

/** The name of the session of this browser, which another tab may have started; null without one. */
export async function signedInAs(): Promise<string | null> {
  try {
    const response = await fetch(GRAPHQL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: MeDocument.toString() }),
    })
    const { data } = (await response.json()) as { data?: MeQuery | null }
    return data?.me.name ?? null
  } catch {
    return null
  }
}
