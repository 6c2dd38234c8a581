// The filters of the address in the form of the API; the router uses them, too, for the request before the page is
// there.

import type { ExecutionFilter } from '@/api/generated'
import type { ExecutionsSearch } from '@/filters/address'

/** Rows of one request. */
export const PAGE_SIZE = 100

/** The list of an address; with a text it is another query. */
export function executionListOf(search: ExecutionsSearch): { filter: ExecutionFilter } {
  const filter = filterOf(search)
  return search.search ? { filter, ...{ text: search.search, outputs: search.in === 'outputs' } } : { filter }
}

function filterOf(search: ExecutionsSearch): ExecutionFilter {
  return {
    namespaces: search.namespace ?? null,
    jobId: search.job ?? null,
    status: search.status ?? null,
    kind: search.kind ?? null,
    reason: search.reason ?? null,
    nodeId: search.node ?? null,
    from: search.from ?? null,
    to: search.to ?? null,
  }
}
