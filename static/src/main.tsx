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

/** When the node was upgraded under an open page, its old chunks are gone: the new page has them. */
const RELOADED = 'horolog.reloaded'

startTheme()
window.addEventListener('vite:preloadError', () => {
  if (sessionStorage.getItem(RELOADED)) return
  sessionStorage.setItem(RELOADED, 'yes')
  location.reload()
})
window.addEventListener('load', () => setTimeout(() => sessionStorage.removeItem(RELOADED), 10_000))

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
