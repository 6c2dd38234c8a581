// The filters of the address in the form of the API.

import type { JobFilter } from '@/api/generated'
import type { UpcomingSearch } from '@/filters/address'
import type { Hidden } from '@/filters/enums'

/** The jobs of the plan and the agenda. */
export interface ShownJobs {
  filter: JobFilter
  hideEverySeconds: number | null
}

const SECONDS: Record<Hidden, number> = { minute: 60, hour: 3_600 }

/** The jobs of an address. */
export function shownOf({ tag, type, hide }: UpcomingSearch): ShownJobs {
  return {
    filter: { tags: tag ?? null, scheduleType: type ?? null },
    hideEverySeconds: hide ? SECONDS[hide] : null,
  }
}

/** Whether the filter has a condition. */
export function isFiltered({ tag, type, hide }: UpcomingSearch): boolean {
  return tag !== undefined || type !== undefined || hide !== undefined
}
