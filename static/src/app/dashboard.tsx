import { type QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { Confirm } from '@/components/confirm'
import { Toasts } from '@/components/toasts'
import { TooltipLayer } from '@/components/tooltip'
import type { createDashboardRouter } from './router'

interface DashboardProps {
  queries: QueryClient
  router: ReturnType<typeof createDashboardRouter>
}

/** All pages, with the toasts, dialogs and tooltips that each of them uses. */
export function Dashboard({ queries, router }: DashboardProps) {
  return (
    <QueryClientProvider client={queries}>
      <Toasts>
        <Confirm>
          <RouterProvider router={router} />
        </Confirm>
      </Toasts>
      <TooltipLayer />
    </QueryClientProvider>
  )
}
