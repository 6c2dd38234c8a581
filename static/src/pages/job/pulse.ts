import {
  JobExecutionsPulseDocument,
  type JobExecutionsPulseQuery,
  type JobExecutionsQuery,
  JobPulseDocument,
  type JobPulseQuery,
  type JobQuery,
} from '@/api/generated'
import { newestRuns, type Pulse } from '@/api/read'

/** Number of executions on the page. */
const EXECUTIONS = 100

/** Keeps a job up to date. */
export const JOB_PULSE: Pulse<JobQuery, JobPulseQuery> = {
  document: JobPulseDocument,
  patch: ({ job }, fresh) =>
    job && fresh.job && job.version === fresh.job.version ? { job: { ...job, ...fresh.job } } : null,
}

/** Keeps its newest executions up to date. */
export const EXECUTIONS_PULSE: Pulse<JobExecutionsQuery, JobExecutionsPulseQuery> = {
  document: JobExecutionsPulseDocument,
  patch: ({ job }, fresh) => {
    const nodes = job && fresh.job && newestRuns(job.executions.nodes, fresh.job.executions.nodes, EXECUTIONS)
    return nodes ? { job: { ...job, executions: { ...job.executions, nodes } } } : null
  },
}
