// Opens the dashboard at an address, with a fake API in place of fetch.

import { createMemoryHistory } from '@tanstack/react-router'
import { render } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { vi } from 'vitest'
import { createQueryClient } from '@/api/queries'
import { Dashboard } from '@/app/dashboard'
import { createDashboardRouter } from '@/app/router'
import { ANONYMOUS, namespace, overview } from './factories'

type Variables = Record<string, unknown>

/** The answer of the fake API to an operation: its data, or an Error (with a `code` and a `field`) for a refusal. */
export type Answers = Record<string, (variables: Variables) => unknown>

/** One request of the page, as the fake API received it. */
export interface Asked {
  operation: string
  variables: Variables
}

/** Answers that every page may need. */
const ALWAYS: Answers = {
  Overview: () => ({ overview: overview() }),
  Activity: () => ({ activity: [] }),
  Tags: () => ({ tags: [] }),
  NodeNames: () => ({ nodes: [] }),
  NodeLoad: () => ({ nodeLoad: [] }),
  Exclusions: () => ({ calendars: [], blackouts: [] }),
  Me: () => ({ me: ANONYMOUS }),
  AuditLog: () => ({ auditLog: pageOf([]) }),
  Namespaces: () => ({ namespaces: [namespace('default')] }),
}

/** A route without GraphQL, such as `POST /session`: 204, JSON, or a Refusal. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message)
  }
}

/** The answer to a pulse is part of the answer to its query. */
const PULSES: Record<string, string> = {
  JobsPulse: 'JobsPage',
  JobPulse: 'Job',
  JobExecutionsPulse: 'JobExecutions',
}

/** Answers each operation by name; an unknown one is refused. Returns the requests so far. */
export function fakeApi(answers: Answers): Asked[] {
  const asked: Asked[] = []
  const route = (operation: string, init?: RequestInit) => {
    const variables = JSON.parse(String(init?.body ?? '{}')) as Variables
    asked.push({ operation, variables })
    const answer = answers[operation]?.(variables)
    if (answer instanceof Refusal) {
      const { message, status, headers } = answer
      return Response.json({ errors: [{ message }] }, { status, headers })
    }
    if (answer instanceof Error) return Promise.reject(answer)
    return answer === undefined ? new Response(null, { status: 204 }) : Response.json(answer)
  }
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (url !== '/graphql') return route(`${init?.method ?? 'GET'} ${url}`, init)
    const { query, variables } = JSON.parse(String(init?.body)) as { query: string; variables: Variables }
    const operation = /(?:query|mutation)\s+(\w+)/.exec(query)?.[1] ?? ''
    asked.push({ operation, variables })
    const known: Answers = { ...ALWAYS, ...answers }
    const answer =
      (known[operation] ?? known[PULSES[operation] ?? ''])?.(variables) ??
      new Error(`the fake API knows no ${operation}`)
    if (!(answer instanceof Error)) return Response.json({ data: answer })
    const extensions = {
      code: 'code' in answer ? answer.code : 'BAD_USER_INPUT',
      field: 'field' in answer ? answer.field : null,
    }
    const status = extensions.code === 'UNAUTHENTICATED' ? 401 : 200
    return Response.json({ data: null, errors: [{ message: answer.message, extensions }] }, { status })
  })
  return asked
}

/** Opens the dashboard at `address`. */
export async function open(address: string, answers: Answers = {}) {
  const asked = fakeApi(answers)
  const history = createMemoryHistory({ initialEntries: [address] })
  const queries = createQueryClient()
  const router = createDashboardRouter(queries, history)
  const user = userEvent.setup()
  render(<Dashboard queries={queries} router={router} />)
  return { asked, user, queries, address: () => router.state.location.href }
}

/** The variables of the last request of an operation. */
export function last(asked: Asked[], operation: string): Variables | undefined {
  return asked.findLast((one) => one.operation === operation)?.variables
}

/** A page of a connection that is complete. */
export function pageOf<Row>(nodes: Row[]) {
  return { nodes, totalCount: nodes.length, pageInfo: { hasNextPage: false, endCursor: null } }
}
