// The path of every page. A page is a folder of its own and arrives on demand.

import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouterHistory,
} from '@tanstack/react-router'
import { BASE } from '@/api/base'
import { loadChunk } from '@/api/chunks'
import { ExecutionsPageDocument, JobsPageDocument } from '@/api/generated'
import { prefetchPages } from '@/api/prefetch'
import { auditSearch } from '@/audit/filter'
import { executionsSearch, jobsSearch, newJobSearch, timelineSearch, upcomingSearch } from '@/filters/address'
import { parseSearch, stringifySearch } from '@/lib/search'
import { PAGE_SIZE as EXECUTIONS_SIZE, executionListOf } from '@/pages/executions/filter'
import { PAGE_SIZE as JOBS_SIZE, jobListOf } from '@/pages/jobs/filter'
import { DashboardFailure, NotFound, PageFailure } from './failures'
import { Shell } from './shell'

const root = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: DashboardFailure,
})

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/overview'))),
})

const jobs = createRoute({
  getParentRoute: () => root,
  path: '/jobs',
  validateSearch: jobsSearch,
  loaderDeps: ({ search }) => search,
  // Not awaited: the page shows that it loads. The request only starts earlier.
  loader: ({ context, deps }) => prefetchPages(context.queries, JobsPageDocument, jobListOf(deps), JOBS_SIZE),
  component: lazyRouteComponent(loadChunk(() => import('@/pages/jobs'))),
})

const newJob = createRoute({
  getParentRoute: () => root,
  path: '/jobs/new',
  validateSearch: newJobSearch,
  component: lazyRouteComponent(
    loadChunk(() => import('@/pages/job-form')),
    'NewJob',
  ),
})

const job = createRoute({
  getParentRoute: () => root,
  path: '/jobs/$jobId',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/job'))),
})

const editJob = createRoute({
  getParentRoute: () => root,
  path: '/jobs/$jobId/edit',
  component: lazyRouteComponent(
    loadChunk(() => import('@/pages/job-form')),
    'EditJob',
  ),
})

const executions = createRoute({
  getParentRoute: () => root,
  path: '/executions',
  validateSearch: executionsSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps }) => {
    // A search is another query, which waits for the page.
    if (!deps.search) prefetchPages(context.queries, ExecutionsPageDocument, executionListOf(deps), EXECUTIONS_SIZE)
  },
  component: lazyRouteComponent(loadChunk(() => import('@/pages/executions'))),
})

const execution = createRoute({
  getParentRoute: () => root,
  path: '/executions/$executionId',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/execution'))),
})

const timeline = createRoute({
  getParentRoute: () => root,
  path: '/timeline',
  validateSearch: timelineSearch,
  component: lazyRouteComponent(loadChunk(() => import('@/pages/timeline'))),
})

const nodes = createRoute({
  getParentRoute: () => root,
  path: '/nodes',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/nodes'))),
})

const upcoming = createRoute({
  getParentRoute: () => root,
  path: '/upcoming',
  validateSearch: upcomingSearch,
  component: lazyRouteComponent(loadChunk(() => import('@/pages/upcoming'))),
})

const calendars = createRoute({
  getParentRoute: () => root,
  path: '/calendars',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/calendars'))),
})

const namespaces = createRoute({
  getParentRoute: () => root,
  path: '/namespaces',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/namespaces'))),
})

const secrets = createRoute({
  getParentRoute: () => root,
  path: '/secrets',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/secrets'))),
})

const users = createRoute({
  getParentRoute: () => root,
  path: '/users',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/users'))),
})

const tokens = createRoute({
  getParentRoute: () => root,
  path: '/tokens',
  component: lazyRouteComponent(loadChunk(() => import('@/pages/tokens'))),
})

const auditLog = createRoute({
  getParentRoute: () => root,
  path: '/audit-log',
  validateSearch: auditSearch,
  component: lazyRouteComponent(loadChunk(() => import('@/pages/audit-log'))),
})

/** The router of this page; a test passes a history of its own. */
export function createDashboardRouter(queries: QueryClient, history?: RouterHistory) {
  return createRouter({
    basepath: BASE,
    context: { queries },
    history,
    routeTree: root.addChildren([
      overview,
      jobs,
      newJob,
      job,
      editJob,
      executions,
      execution,
      timeline,
      nodes,
      upcoming,
      calendars,
      secrets,
      namespaces,
      users,
      tokens,
      auditLog,
    ]),
    defaultErrorComponent: PageFailure,
    defaultPreload: 'intent',
    parseSearch,
    stringifySearch,
    scrollRestoration: true,
    scrollToTopSelectors: ['#page'],
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createDashboardRouter>
  }
}
