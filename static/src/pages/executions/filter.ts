// The address's filters in the API's words; the router uses them too, to ask before the page is there.

import type { ExecutionFilter } from '@/api/generated'
import type { ExecutionsSearch } from '@/lib/filters'

/** Rows that are asked for at a time. */
export const PAGE_SIZE = 100

/** The list that an address means; with a text it is another query. */
export function executionListOf(search: ExecutionsSearch): { filter: ExecutionFilter } {
  const filter = filterOf(search)
  return search.search ? { filter, ...{ text: search.search, outputs: search.in === 'outputs' } } : { filter }
}

function filterOf(search: ExecutionsSearch): ExecutionFilter {
  return {
    jobId: search.job ?? null,
    status: search.status ?? null,
    kind: search.kind ?? null,
    reason: search.reason ?? null,
    nodeId: search.node ?? null,
    from: search.from ?? null,
    to: search.to ?? null,
  }
}
