// Selected jobs in the form of the API. Pure.

import type { JobFilter } from '@/api/generated'
import type { Selection } from '@/lib/selection'

/** The selection among the jobs of `filter`: the API requires `all` for a filter without conditions. */
export function jobsOfSelection(selection: Selection, filter: JobFilter): { filter: JobFilter; all: boolean } {
  if (!selection.all) return { filter: { ids: [...selection.ids] }, all: false }
  return { filter, all: !Object.values(filter).some(isCondition) }
}

/** The rule of the API: an empty text and an empty list of tags are no conditions. */
function isCondition(value: JobFilter[keyof JobFilter]): boolean {
  return value !== null && value !== undefined && value.length > 0
}
