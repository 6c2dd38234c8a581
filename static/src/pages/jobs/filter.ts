// The address's filters in the API's words; the router uses them too, to ask before the page is there.

import type { JobFilter, JobOrder } from '@/api/generated'
import type { JobsSearch } from '@/lib/filters'

/** Rows that are asked for at a time. */
export const PAGE_SIZE = 100

/** The list that an address means. */
export function jobListOf(search: JobsSearch): { filter: JobFilter; orderBy: JobOrder } {
  return { filter: filterOf(search), orderBy: search.order ?? 'NEWEST' }
}

/** What the API is asked for. */
export function filterOf(search: JobsSearch): JobFilter {
  return {
    search: search.search ?? null,
    status: search.status ?? null,
    state: search.state ?? null,
    scheduleType: search.type ?? null,
    tags: search.tag ?? null,
    lastOutcome: search.outcome ?? null,
  }
}

/** Whether some jobs are left out. */
export function isFiltered(search: JobsSearch): boolean {
  return Object.values(filterOf(search)).some((value) => value !== null)
}
