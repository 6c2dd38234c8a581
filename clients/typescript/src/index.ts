/** Workers for Horolog, a clustered job scheduler on PostgreSQL. */

export { FinalError, Problem, RetryLater } from './errors.js'
export { Run } from './run.js'
export { Worker, type Handler, type WorkerOptions } from './worker.js'
