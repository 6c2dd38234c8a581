// A job's schedule, in the words of the server.

import type { JobScheduleType } from '@/api/generated'

/** The zone of a job's times; none for an interval or an instant, which no clock decides. */
export function zoneOf(job: { scheduleType: JobScheduleType; timeZone: string }): string | undefined {
  return job.scheduleType === 'CRON' ? job.timeZone : undefined
}

/** "At 09:00 on weekdays", "Every 5 minutes": the server's words at the start of a line. */
export function scheduleWords({ scheduleDescription }: { scheduleDescription: string }): string {
  return scheduleDescription.charAt(0).toUpperCase() + scheduleDescription.slice(1)
}
