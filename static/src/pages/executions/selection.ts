// What the API is told of selected executions. Pure.

import type { ExecutionFilter } from '@/api/generated'
import type { Executions } from '@/commands/executions'
import { isInFlight } from '@/format/execution'
import { EXECUTION_STATUSES } from '@/lib/enums'
import type { Selection } from '@/lib/selection'

const ENDED = EXECUTION_STATUSES.filter((status) => !isInFlight(status))

/** Those that a cancellation is about. */
export function cancelledBy(selection: Selection, filter: ExecutionFilter): Executions {
  return selection.all ? allOf(filter) : { filter: { ids: [...selection.ids] }, all: false }
}

/** Those that run again: who ticks one that succeeded means it, while a filter without a status means what went wrong. */
export function repeatedBy(selection: Selection, filter: ExecutionFilter): Executions {
  return selection.all ? allOf(filter) : { filter: { ids: [...selection.ids], status: ENDED }, all: false }
}

function allOf(filter: ExecutionFilter): Executions {
  return { filter, all: Object.values(filter).every((value) => value === null || value === undefined) }
}
