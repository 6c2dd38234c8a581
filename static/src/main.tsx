import '@/styles.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { returnToPage } from '@/access/provider'
import { BASE } from '@/api/base'
import { loadChunk } from '@/api/chunks'
import { createQueryClient } from '@/api/queries'
import { Dashboard } from '@/app/dashboard'
import { createDashboardRouter } from '@/app/router'
import { startTheme } from '@/lib/theme'

startTheme()

const element = document.getElementById('root')
if (!element) throw new Error('index.html has no #root')
const root = createRoot(element)

// The page of the one-time link is none of the dashboard's: those would ask for a sign-in.
if (location.pathname === `${BASE}set-up`) {
  // Another link in the same tab differs in its token alone.
  addEventListener('hashchange', () => location.reload())
  void loadChunk(() => import('@/access/set-up'))().then(({ default: SetUp }) =>
    root.render(
      <StrictMode>
        <SetUp token={location.hash.slice(1)} onDone={() => location.replace(BASE)} />
      </StrictMode>,
    ),
  )
} else {
  returnToPage()
  const queries = createQueryClient()
  const router = createDashboardRouter(queries)
  root.render(
    <StrictMode>
      <Dashboard queries={queries} router={router} />
    </StrictMode>,
  )
}
