// The filters of the address in the form of the API; the router uses them, too, for the request before the page is
// there.

import type { JobFilter, JobOrder } from '@/api/generated'
import type { JobsSearch } from '@/filters/address'

/** Rows of one request. */
export const PAGE_SIZE = 100

/** The list of an address. */
export function jobListOf(search: JobsSearch): { filter: JobFilter; orderBy: JobOrder } {
  return { filter: filterOf(search), orderBy: search.order ?? 'NEWEST' }
}

/** The variables of the request. */
export function filterOf(search: JobsSearch): JobFilter {
  return {
    search: search.search ?? null,
    namespaces: search.namespace ?? null,
    status: search.status ?? null,
    state: search.state ?? null,
    scheduleType: search.type ?? null,
    tags: search.tag ?? null,
    lastOutcome: search.outcome ?? null,
  }
}

/** Whether the filter has a condition. */
export function isFiltered(search: JobsSearch): boolean {
  return Object.values(filterOf(search)).some((value) => value !== null)
}
