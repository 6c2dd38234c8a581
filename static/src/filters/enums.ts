// The enumerations of the API that a list can be filtered by.

import type { JobOrder, JobScheduleType, JobState, JobStatus } from '@/api/generated'

export const JOB_STATUSES = ['ACTIVE', 'PAUSED', 'DELETED'] as const satisfies JobStatus[]
export const JOB_STATES = ['ACTIVE', 'WAITING', 'FAILING', 'PAUSED', 'ENDED', 'DELETED'] as const satisfies JobState[]
export const SCHEDULE_TYPES = ['CRON', 'FIXED_RATE', 'FIXED_DELAY', 'ONCE'] as const satisfies JobScheduleType[]
export const ORDERS = ['NEWEST', 'OLDEST', 'NAME', 'NEXT_FIRE_TIME'] as const satisfies JobOrder[]
export const EXECUTION_STATUSES = ['RUNNING', 'RETRYING', 'SUCCESS', 'FAILED', 'CANCELLED', 'LOST', 'SKIPPED'] as const
export const JOB_OUTCOMES = [...EXECUTION_STATUSES, 'NONE'] as const
export const TRIGGER_KINDS = ['SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED', 'RERUN'] as const
export const TIMELINE_VIEWS = ['24h', '6h', '1h', 'runs'] as const
export const SPANS = ['day', 'week'] as const
/** What fires as often as that may be left out of the plan. */
export const HIDDEN = ['minute', 'hour'] as const
export const REASONS = [
  'ERROR',
  'TIMEOUT',
  'CRASH_LOOP',
  'MISFIRE',
  'OVERLAP',
  'CALENDAR',
  'DEADLINE',
  'COALESCED',
  'PAUSED',
  'DELETED',
] as const

export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number]
export type JobOutcome = (typeof JOB_OUTCOMES)[number]
export type TriggerKind = (typeof TRIGGER_KINDS)[number]
export type TimelineView = (typeof TIMELINE_VIEWS)[number]
export type Span = (typeof SPANS)[number]
export type Hidden = (typeof HIDDEN)[number]
