// Repeated reads of a query: by its pulse, a small query for the values that change, merged into the known result; as a
// whole when the pulse is not enough, and from time to time.

import type { QueryClient } from '@tanstack/react-query'
import { nameOf, send } from './client'
import type { TypedDocumentString } from './generated'

/** A smaller query with the same variables, and its merge into the result of the larger one. */
export interface Pulse<Result, Fresh> {
  // biome-ignore lint/suspicious/noExplicitAny: it takes what the query that it belongs to takes
  document: TypedDocumentString<Fresh, any>
  /** The result with the news; null when a whole read is necessary. Pure. */
  patch: (known: Result, fresh: Fresh) => Result | null
}

/** Longest time between two whole reads, in milliseconds. */
const WHOLE_AFTER = 60_000

const wholeAt = new Map<string, number>()

/** The key of an operation's answer. */
export function keyOf<Result, Variables>(document: TypedDocumentString<Result, Variables>, variables: Variables) {
  return [nameOf(document), variables] as const
}

/** Reads a query, for the cache. */
export async function read<Result, Variables, Fresh>(
  queries: QueryClient,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  { signal, pulse }: { signal: AbortSignal; pulse?: Pulse<Result, Fresh> | undefined },
): Promise<Result> {
  const key = keyOf(document, variables)
  const name = JSON.stringify(key)
  const known = queries.getQueryData<Result>(key)
  const again = known !== undefined
  if (again && pulse && performance.now() - (wholeAt.get(name) ?? 0) < WHOLE_AFTER) {
    const fresh = await send(pulse.document, variables, { signal, again })
    const patched = pulse.patch(queries.getQueryData<Result>(key) ?? known, fresh)
    if (patched) return patched
  }
  const whole = await send(document, variables, { signal, again })
  wholeAt.set(name, performance.now())
  return whole
}

interface Run {
  id: string
  status: string
}

/**
 * The newest `most` runs among known and repeated ones; null when a run between them, or the end of a run, is unknown.
 * Both lists are newest first. Pure.
 */
export function newestRuns<One extends Run>(known: One[], fresh: One[], most: number): One[] | null {
  const ids = new Set(fresh.map(({ id }) => id))
  const older = known.filter(({ id }) => !ids.has(id))
  if (older.length === known.length && known.length > 0 && fresh.length > 0) return null
  if (older.some(({ status }) => status === 'RUNNING' || status === 'RETRYING')) return null
  return [...fresh, ...older].slice(0, most)
}
