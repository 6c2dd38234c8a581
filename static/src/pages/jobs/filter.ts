// The address's filters in the API's words.

import type { JobFilter } from '@/api/generated'
import type { JobsSearch } from '@/app/filters'

/** What the API is asked for. */
export function filterOf(search: JobsSearch): JobFilter {
  return {
    search: search.search ?? null,
    status: search.status ?? null,
    scheduleType: search.type ?? null,
    tags: search.tag ?? null,
    lastOutcome: search.outcome ?? null,
  }
}

/** Whether some jobs are left out. */
export function isFiltered(search: JobsSearch): boolean {
  return Object.values(filterOf(search)).some((value) => value !== null)
}
