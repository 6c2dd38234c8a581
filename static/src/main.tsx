import '@/styles.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createQueryClient } from '@/api/queries'
import { createDashboardRouter } from '@/app/router'
import { startTheme } from '@/app/theme'
import { Confirm } from '@/components/confirm'
import { Toasts } from '@/components/toasts'
import { TooltipProvider } from '@/components/tooltip'

startTheme()

const queries = createQueryClient()
const router = createDashboardRouter(queries)
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <TooltipProvider>
        <Toasts>
          <Confirm>
            <RouterProvider router={router} />
          </Confirm>
        </Toasts>
      </TooltipProvider>
    </QueryClientProvider>
  </StrictMode>,
)
