// The address's filters in the API's words.

import type { JobFilter } from '@/api/generated'
import type { Hidden } from '@/lib/enums'
import type { UpcomingSearch } from '@/lib/filters'

/** Which jobs the plan and the agenda show. */
export interface ShownJobs {
  filter: JobFilter
  hideEverySeconds: number | null
}

const SECONDS: Record<Hidden, number> = { minute: 60, hour: 3_600 }

/** The jobs that an address means. */
export function shownOf({ tag, type, hide }: UpcomingSearch): ShownJobs {
  return {
    filter: { tags: tag ?? null, scheduleType: type ?? null },
    hideEverySeconds: hide ? SECONDS[hide] : null,
  }
}

/** Whether some jobs are left out. */
export function isFiltered({ tag, type, hide }: UpcomingSearch): boolean {
  return tag !== undefined || type !== undefined || hide !== undefined
}
