// What the API is told of selected jobs. Pure.

import type { JobFilter } from '@/api/generated'
import type { Selection } from '@/lib/selection'

/** What the API is told of a selection among the jobs that match `filter`: it wants `all` said when no condition is there. */
export function jobsOfSelection(selection: Selection, filter: JobFilter): { filter: JobFilter; all: boolean } {
  if (!selection.all) return { filter: { ids: [...selection.ids] }, all: false }
  return { filter, all: !Object.values(filter).some(isCondition) }
}

/** As the API sees it: an empty text and an empty list of tags leave out no job. */
function isCondition(value: JobFilter[keyof JobFilter]): boolean {
  return value !== null && value !== undefined && value.length > 0
}
