output "address" {
  description = "Where the instance answers, within the network."
  value       = google_sql_database_instance.perdure.private_ip_address
}

output "connection_name" {
  description = "What Cloud SQL's own tools call the instance."
  value       = google_sql_database_instance.perdure.connection_name
}
