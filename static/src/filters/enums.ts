// The enums that a list can be filtered by, in the order of the menus.

import {
  EXECUTION_REASON_VALUES,
  EXECUTION_STATUS_VALUES,
  JOB_ORDER_VALUES,
  JOB_SCHEDULE_TYPE_VALUES,
  JOB_STATUS_VALUES,
  type JobState,
  type LastOutcome,
  type TriggerKind,
} from '@/api/generated'

export const JOB_STATUSES = JOB_STATUS_VALUES
export const JOB_STATES = [
  'ACTIVE',
  'WAITING',
  'FAILING',
  'PAUSED',
  'ENDED',
  'DELETED',
] as const satisfies readonly JobState[]
export const SCHEDULE_TYPES = JOB_SCHEDULE_TYPE_VALUES
export const ORDERS = JOB_ORDER_VALUES
export const EXECUTION_STATUSES = EXECUTION_STATUS_VALUES
export const EXECUTION_REASONS = EXECUTION_REASON_VALUES
export const JOB_OUTCOMES = [...EXECUTION_STATUS_VALUES, 'NONE'] as const satisfies readonly LastOutcome[]
/** The kinds of executions: a retry or a recovery is a further attempt of the same execution. */
export const EXECUTION_KINDS = [
  'SCHEDULE',
  'MANUAL',
  'ENQUEUED',
  'BACKFILL',
  'BUFFERED',
  'RERUN',
] as const satisfies readonly TriggerKind[]
export const TIMELINE_VIEWS = ['24h', '6h', '1h', 'runs'] as const
export const SPANS = ['day', 'week'] as const
/** Schedules with at least this frequency can be hidden from the plan. */
export const HIDDEN = ['minute', 'hour'] as const

export type TimelineView = (typeof TIMELINE_VIEWS)[number]
export type Span = (typeof SPANS)[number]
export type Hidden = (typeof HIDDEN)[number]
