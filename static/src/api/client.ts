// The client of the API: one typed fetch, and errors by kind.

import { encode } from '@/lib/json'
import { GRAPHQL } from './base'
import { noteAnswer, noteUnavailable, noteUnreachable } from './connection'
import type { TypedDocumentString } from './generated'
import { currentSession, noteForbidden, noteUnauthenticated } from './session'
import { noteReread } from './spending'

/** A refusal of the API, in the words of the API. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** BAD_USER_INPUT, NOT_FOUND, CONFLICT, UNAUTHENTICATED, FORBIDDEN, UNAVAILABLE, … */
    readonly code: string,
    /** The input field of a BAD_USER_INPUT. */
    readonly field: string | null,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** The node did not answer. */
export class Unreachable extends Error {
  constructor() {
    super('This node does not answer.')
    this.name = 'Unreachable'
  }
}

interface Answer<Result> {
  data?: Result | null
  errors?: { message: string; extensions?: { code?: string; field?: string | null } }[]
}

interface Sending {
  signal?: AbortSignal
  /** Read without a request of the user, because it may have changed. */
  again?: boolean
}

const SIGN_IN = 'Sign in to continue.'

/**
 * Sends one operation; throws ApiError or Unreachable, or the signal's AbortError. Without a session nothing is sent:
 * pages poll, and the node would refuse each request.
 */
export async function send<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  sending: Sending = {},
): Promise<Result> {
  const session = currentSession()
  if (session.state !== 'open') throw new ApiError(SIGN_IN, 'UNAUTHENTICATED', null)
  const answer = await post<Result>(encode({ query: document.toString(), variables }), sending)
  const error = answer.errors?.[0]
  const code = error?.extensions?.code ?? 'UNKNOWN'
  if (code === 'UNAVAILABLE') noteUnavailable()
  else noteAnswer()
  if (code === 'UNAUTHENTICATED') noteUnauthenticated(error?.message ?? null, session.number)
  if (code === 'FORBIDDEN') noteForbidden()
  if (error) throw new ApiError(error.message, code, error.extensions?.field ?? null)
  if (!answer.data) throw new ApiError('The node answered with nothing.', 'UNKNOWN', null)
  return answer.data
}

async function post<Result>(body: string, { signal, again }: Sending): Promise<Answer<Result>> {
  let response: Response
  try {
    response = await fetch(GRAPHQL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: signal ?? null,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    noteUnreachable()
    throw new Unreachable()
  }
  if (again) noteReread(response)
  try {
    return (await response.json()) as Answer<Result>
  } catch (error) {
    if (signal?.aborted) throw error
    if (response.status === 401) return { errors: [{ message: SIGN_IN, extensions: { code: 'UNAUTHENTICATED' } }] }
    // A proxy answered with a page of its own: the node behind it is away.
    noteUnreachable()
    throw new Unreachable()
  }
}

/** The message of an error; a missing right is a sentence of its own. */
export function errorMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return error instanceof ApiError && error.code === 'FORBIDDEN' ? missingRight(message) : message
}

/** "createJob needs the role EDITOR: ada has VIEWER" for the user who reads it. */
function missingRight(message: string): string {
  const roles = /needs the role ([A-Z]+)(?:.* has ([A-Z]+))?/.exec(message)
  if (!roles) return message
  const [, needed = '', own] = roles
  return `This needs the role ${needed.toLowerCase()}${own ? `, and yours is ${own.toLowerCase()}` : ''}. An admin can change it.`
}

/** The name of an operation, which is also the first part of its query key. */
export function nameOf(document: { toString(): string }): string {
  return /(?:query|mutation|subscription)\s+(\w+)/.exec(document.toString())?.[1] ?? 'anonymous'
}
