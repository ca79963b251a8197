#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Swift sees functions and plain constants; OpenSSL offers these as macros over casts.

static inline int COpenSSL_set_min_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}

static inline int COpenSSL_set_max_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_max_proto_version(ctx, version);
}

static inline void COpenSSL_set_mode(SSL_CTX *ctx, long mode) { SSL_CTX_set_mode(ctx, mode); }

static inline void COpenSSL_set_options(SSL_CTX *ctx, uint64_t options) {
    SSL_CTX_set_options(ctx, options);
}

static inline void COpenSSL_set_session_cache_mode(SSL_CTX *ctx, long mode) {
    SSL_CTX_set_session_cache_mode(ctx, mode);
}

static inline void COpenSSL_set_max_cert_list(SSL_CTX *ctx, long bytes) {
    SSL_CTX_set_max_cert_list(ctx, bytes);
}

static inline void COpenSSL_read_ahead(SSL_CTX *ctx) { SSL_CTX_set_read_ahead(ctx, 1); }

static inline int COpenSSL_set_groups(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}

static inline int COpenSSL_add_chain_certificate(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}

static inline void COpenSSL_set_store(SSL_CTX *ctx, X509_STORE *store) {
    SSL_CTX_set1_cert_store(ctx, store);
}

static inline int COpenSSL_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline void COpenSSL_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void COpenSSL_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int COpenSSL_general_name_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

static inline const GENERAL_NAME *COpenSSL_general_name(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline const ASN1_IA5STRING *COpenSSL_ia5(const GENERAL_NAME *name) { return name->d.ia5; }

static inline void COpenSSL_set_message_callback_argument(SSL *ssl, void *argument) {
    SSL_set_msg_callback_arg(ssl, argument);
}

static inline long COpenSSL_mem_data(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }

static inline EVP_PKEY *COpenSSL_generate_p256_key(void) { return EVP_EC_gen("P-256"); }

static const uint64_t COpenSSL_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t COpenSSL_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const unsigned long COpenSSL_subject_flags = XN_FLAG_RFC2253;
static const long COpenSSL_mode = SSL_MODE_RELEASE_BUFFERS;
